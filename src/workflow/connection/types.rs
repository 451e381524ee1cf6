//! Which types of fields can be connected (`features/nodes/store/util/validateConnectionTypes.ts`).

use crate::schema::{Cardinality, FieldType, InputTemplate, OutputTemplate};

/// A type with the one it replaces in the schema.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Typed<'a> {
    shown: Kind<'a>,
    original: Option<Kind<'a>>,
}

/// A [`FieldType`] that is cheap to copy.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind<'a> {
    name: &'a str,
    cardinality: Cardinality,
    batch: bool,
}

impl<'a> From<&'a FieldType> for Kind<'a> {
    fn from(FieldType { name, cardinality, batch }: &'a FieldType) -> Self {
        Kind { name, cardinality: *cardinality, batch: *batch }
    }
}

impl<'a> Typed<'a> {
    pub(super) fn input(template: &'a InputTemplate) -> Self {
        Typed { shown: (&template.field_type).into(), original: template.original_type.as_ref().map(Kind::from) }
    }

    pub(super) fn output(template: &'a OutputTemplate) -> Self {
        Typed { shown: (&template.field_type).into(), original: template.original_type.as_ref().map(Kind::from) }
    }

    /// The type of one item of an output, if it is known.
    pub(super) fn item(template: &'a OutputTemplate) -> Option<Self> {
        let mut item = Typed::output(template);
        item.shown.cardinality = Cardinality::Single;
        (item.shown.name != "CollectionField").then_some(item)
    }
}

/// Whether they are equal, as shown or as in the schema, on either side.
pub(super) fn same(a: Typed<'_>, b: Typed<'_>) -> bool {
    a.shown == b.shown
        || b.original == Some(a.shown)
        || a.original == Some(b.shown)
        || (a.original.is_some() && a.original == b.original)
}

/// Whether an output may feed an input (`validateConnectionTypes.ts`).
pub(super) fn connects(source: Typed<'_>, target: Typed<'_>) -> bool {
    use Cardinality::{Collection, Single, SingleOrCollection};
    if same(source, target) {
        return true;
    }
    let (source, target) = (source.shown, target.shown);
    if source.batch != target.batch {
        return false;
    }
    let (from, to) = (source.cardinality, target.cardinality);
    let cardinality_fits = from == to || to == SingleOrCollection;
    let converts = matches!(
        (source.name, target.name),
        ("IntegerField", "FloatField") | ("IntegerField", "StringField") | ("FloatField", "StringField")
    );
    (source.name == "CollectionItemField" && to != Collection)
        || (from == Single && target.name == "CollectionItemField")
        || (to == SingleOrCollection && source.name == target.name)
        || (source.name == "CollectionField" && to != Single)
        || (target.name == "CollectionField" && from == Collection)
        || (cardinality_fits && converts)
        || target.name == "AnyField"
        || (source.name == "AnyField" && cardinality_fits)
}

/// Whether two types can stand in for one another: one connects to the other, or one is a list of the other.
pub(super) fn related(a: Typed<'_>, b: Typed<'_>) -> bool {
    use Cardinality::{Collection, Single};
    let list_of_same = a.shown.name == b.shown.name
        && a.shown.batch == b.shown.batch
        && matches!((a.shown.cardinality, b.shown.cardinality), (Single, Collection) | (Collection, Single));
    connects(a, b) || connects(b, a) || list_of_same
}
