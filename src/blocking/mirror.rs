//! How a blocking type is made from an async one.

use super::runtime::Runtime;

/// An async thing that has a blocking counterpart.
pub(super) trait Mirror {
    type Blocking;

    fn mirror(self, runtime: Runtime) -> Self::Blocking;
}

impl<T: Mirror + Clone> Mirror for &T {
    type Blocking = T::Blocking;

    fn mirror(self, runtime: Runtime) -> Self::Blocking {
        self.clone().mirror(runtime)
    }
}

impl<T: Mirror, E> Mirror for Result<T, E> {
    type Blocking = Result<T::Blocking, E>;

    fn mirror(self, runtime: Runtime) -> Self::Blocking {
        self.map(|inner| inner.mirror(runtime))
    }
}

impl<T: Mirror> Mirror for Vec<T> {
    type Blocking = Vec<T::Blocking>;

    fn mirror(self, runtime: Runtime) -> Self::Blocking {
        self.into_iter().map(|inner| inner.mirror(runtime)).collect()
    }
}

impl<A: Mirror, B: Mirror> Mirror for (A, B) {
    type Blocking = (A::Blocking, B::Blocking);

    fn mirror(self, runtime: Runtime) -> Self::Blocking {
        (self.0.mirror(runtime), self.1.mirror(runtime))
    }
}

/// Creates the blocking counterpart of a type, from its methods. The word before each says what to do:
///
/// - `get`: it does not wait, and gives the same;
/// - `open`: it does not wait, and gives the blocking counterpart of what the async one gives;
/// - `call`: waits; `call_open`: waits, and gives the blocking counterpart;
/// - `iter`: a stream as an iterator; `iter_open`: of blocking counterparts;
/// - `set`: a setter of a builder;
/// - `finish`: carries out what was built; `finish_open`: and gives the blocking counterpart.
///
/// `tests/offline/blocking_parity.rs` compares names and signatures with those of the async type.
macro_rules! mirror {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$life:lifetime>)? = $module:ident::$inner:ident;
        $( $(#[$attr:meta])* $mode:ident fn $method:ident $params:tt $(-> $ret:ty)?; )*
    ) => {
        $(#[$meta])*
        #[doc = ""]
        #[doc = concat!(
            "Blocking form of [`", stringify!($module), "::", stringify!($inner), "`](crate::",
            stringify!($module), "::", stringify!($inner), ")."
        )]
        pub struct $name $(<$life>)? {
            pub(super) inner: $module::$inner $(<$life>)?,
            pub(super) runtime: $crate::blocking::runtime::Runtime,
        }

        impl $(<$life>)? $name $(<$life>)? {
            $( $crate::blocking::mirror::method! {
                [$module $inner] [$(#[$attr])*] $mode $method $params [$($ret)?]
            } )*
        }

        impl $(<$life>)? $crate::blocking::mirror::Mirror for $module::$inner $(<$life>)? {
            type Blocking = $name $(<$life>)?;

            fn mirror(self, runtime: $crate::blocking::runtime::Runtime) -> Self::Blocking {
                $name { inner: self, runtime }
            }
        }

        impl $(<$life>)? std::fmt::Debug for $name $(<$life>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.inner.fmt(f)
            }
        }
    };
}

/// One method of [`mirror!`].
macro_rules! method {
    // What all of them come to.
    (@ [$($doc:tt)*] [$($attr:tt)*] $method:ident ($($params:tt)*) [$($ret:ty)?] $body:expr) => {
        $($attr)*
        #[doc = ""]
        #[doc = concat!($($doc)*)]
        pub fn $method($($params)*) $(-> $ret)? {
            $body
        }
    };
    (@as $module:ident $inner:ident $attrs:tt $method:ident $params:tt $ret:tt $body:expr) => {
        $crate::blocking::mirror::method! { @ [
            "As [`", stringify!($module), "::", stringify!($inner), "::", stringify!($method), "`](crate::",
            stringify!($module), "::", stringify!($inner), "::", stringify!($method), ")."
        ] $attrs $method $params $ret $body }
    };
    (@waits $module:ident $inner:ident $attrs:tt $method:ident $params:tt $ret:tt $body:expr) => {
        $crate::blocking::mirror::method! { @ [
            "Blocking form of [`", stringify!($module), "::", stringify!($inner), "::", stringify!($method),
            "`](crate::", stringify!($module), "::", stringify!($inner), "::", stringify!($method),
            "), which lists its errors."
        ] $attrs $method $params $ret $body }
    };
    (@ends $module:ident $inner:ident $attrs:tt $method:ident $params:tt $ret:tt $body:expr) => {
        $crate::blocking::mirror::method! { @ [
            "Blocking form of awaiting [`", stringify!($module), "::", stringify!($inner), "`](crate::",
            stringify!($module), "::", stringify!($inner), "), which lists its errors."
        ] $attrs $method $params $ret $body }
    };
    ([$m:ident $t:ident] $a:tt get $f:ident (&$self:ident $(, $arg:ident: $ty:ty)* $(,)?) $ret:tt) => {
        $crate::blocking::mirror::method! { @as $m $t $a $f (&$self $(, $arg: $ty)*) $ret $self.inner.$f($($arg),*) }
    };
    ([$m:ident $t:ident] $a:tt open $f:ident (&$self:ident $(, $arg:ident: $ty:ty)* $(,)?) $ret:tt) => {
        $crate::blocking::mirror::method! { @as $m $t $a $f (&$self $(, $arg: $ty)*) $ret {
            $self.runtime.enter(|| $self.inner.$f($($arg),*)).mirror($self.runtime)
        } }
    };
    ([$m:ident $t:ident] $a:tt set $f:ident ($self:ident $(, $arg:ident: $ty:ty)* $(,)?) $ret:tt) => {
        $crate::blocking::mirror::method! { @as $m $t $a $f ($self $(, $arg: $ty)*) $ret {
            Self { inner: $self.inner.$f($($arg),*), runtime: $self.runtime }
        } }
    };
    ([$m:ident $t:ident] $a:tt call $f:ident (&$self:ident $(, $arg:ident: $ty:ty)* $(,)?) $ret:tt) => {
        $crate::blocking::mirror::method! { @waits $m $t $a $f (&$self $(, $arg: $ty)*) $ret {
            $self.runtime.block_on($self.inner.$f($($arg),*))
        } }
    };
    ([$m:ident $t:ident] $a:tt call $f:ident ($self:ident $(, $arg:ident: $ty:ty)* $(,)?) $ret:tt) => {
        $crate::blocking::mirror::method! { @waits $m $t $a $f ($self $(, $arg: $ty)*) $ret {
            $self.runtime.block_on($self.inner.$f($($arg),*))
        } }
    };
    ([$m:ident $t:ident] $a:tt call_open $f:ident (&$self:ident $(, $arg:ident: $ty:ty)* $(,)?) $ret:tt) => {
        $crate::blocking::mirror::method! { @waits $m $t $a $f (&$self $(, $arg: $ty)*) $ret {
            $self.runtime.block_on($self.inner.$f($($arg),*)).mirror($self.runtime)
        } }
    };
    ([$m:ident $t:ident] $a:tt iter $f:ident (&$self:ident) $ret:tt) => {
        $crate::blocking::mirror::method! { @waits $m $t $a $f (&$self) $ret {
            Iter::new($self.runtime.enter(|| $self.inner.$f()), $self.runtime)
        } }
    };
    ([$m:ident $t:ident] $a:tt iter $f:ident ($self:ident) $ret:tt) => {
        $crate::blocking::mirror::method! { @waits $m $t $a $f ($self) $ret {
            Iter::new($self.runtime.enter(|| $self.inner.$f()), $self.runtime)
        } }
    };
    ([$m:ident $t:ident] $a:tt iter_open $f:ident (&$self:ident) $ret:tt) => {
        $crate::blocking::mirror::method! { @waits $m $t $a $f (&$self) $ret {
            let runtime = $self.runtime;
            let stream = runtime.enter(|| $self.inner.$f());
            Iter::new(stream.map(move |item| item.mirror(runtime)), runtime)
        } }
    };
    ([$m:ident $t:ident] $a:tt finish $f:ident ($self:ident) $ret:tt) => {
        $crate::blocking::mirror::method! { @ends $m $t $a $f ($self) $ret $self.runtime.block_on($self.inner) }
    };
    ([$m:ident $t:ident] $a:tt finish_open $f:ident ($self:ident) $ret:tt) => {
        $crate::blocking::mirror::method! { @ends $m $t $a $f ($self) $ret {
            $self.runtime.block_on($self.inner).mirror($self.runtime)
        } }
    };
}

pub(super) use {method, mirror};
