//! What to do about an error.

use super::{BodyFault, Error};

const BUSY: &str = "the server is busy or out of reach: try again in a moment";
const PROXY: &str = "check the address, and any proxy before the server";
const LOOK_FIRST: &str = "the server may have done it anyway: look before doing it again";

impl Error {
    /// What usually helps, in a few words, for a person to read. The message says what is wrong; this says what to do.
    ///
    /// ```
    /// let error = invokeai_client::Client::new("ftp://127.0.0.1").unwrap_err();
    /// assert_eq!(error.hint(), "give an address like http://127.0.0.1:9090");
    /// ```
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound(refusal) if !refusal.is_own => PROXY,
            Self::NotFound(_) => "check the id: it is wrong, or what it named has been deleted",
            Self::Unauthorized(_) => "log in, or set a token that is still valid",
            Self::Forbidden(_) => "log in as a user who may do this, or ask an administrator",
            Self::Conflict(_) => "look at what already exists: the call conflicts with it",
            _ if self.is_unsupported() => {
                "check the address; if it is right, this version of InvokeAI lacks the operation: update it, or this \
                 crate"
            }
            Self::NotAccepted(_) => "change what the message names: the server does not accept it",
            Self::Server(_) | Self::UnexpectedStatus(_) if self.is_retryable() => BUSY,
            Self::Server(_) => "read the server's own log: it failed while working on this",
            Self::UnexpectedStatus(_) => PROXY,
            Self::NoSuch { .. } => "check the spelling, or list what there is; upper and lower case differ",
            Self::Ambiguous { .. } => "use one of the ids instead of the name",
            Self::Refused { .. } => "read the server's own log, which may say more",
            Self::WrongState { advice, .. } => advice,
            Self::InvalidInput { .. } => "change this value and call again",
            Self::UnusableName { .. } => "save it on its own, under a name of your choice",
            Self::UnusableLedger { .. } => {
                "give the path of a new file, or of a ledger that was written for this server"
            }
            Self::HttpClient { .. } => "check the certificates and proxy settings of this system",
            Self::InvalidUrl { .. } => "give an address like http://127.0.0.1:9090",
            Self::NotTheApi { .. } | Self::Unsupported { .. } => "check the address and the version of InvokeAI",
            Self::Redirected { .. } => "use the address that the server has now",
            Self::TooOld { .. } => "update InvokeAI",
            Self::Connect { .. } => "check that InvokeAI is running and that the address is right",
            Self::Interrupted { .. } | Self::Timeout { sent: true, .. } => LOOK_FIRST,
            Self::Timeout { sent: false, .. } => BUSY,
            Self::WaitTimeout { .. } => "wait again, or with a longer limit",
            Self::Body { fault: BodyFault::CutOff, .. } => LOOK_FIRST,
            Self::Body { fault: BodyFault::TooLarge, .. } => "raise the limit if the answer may be that large",
            Self::Body { fault: BodyFault::WrongKind, .. } => {
                "check the file on the server: it is not what it should be"
            }
            Self::Decode { .. } => {
                "check the versions: this crate may be too old for the server, or the data is damaged"
            }
            Self::NotReady(_) => "set or connect the inputs that the message names",
            Self::NodesDiffer(_) => {
                "open the workflow with this server, or generate its code again with this server's nodes"
            }
            Self::Definition(error) => error.hint(),
            Self::Input(error) => error.hint(),
            Self::Enqueue(_) => "give the batch node what the message asks for",
            Self::QueueFull { .. } => "wait until the queue is shorter, or submit fewer items",
            Self::NotTakenBack { .. } => "cancel the batch before you submit it again: its items may run",
            Self::JobFailed(_) => "look at the node that the message names; the traceback says more",
            Self::JobCanceled { .. } => "submit it again if it was not meant to be canceled",
            Self::JobGone { .. } => "submit it again if its results are not in the gallery",
            Self::LedgerInUse { .. } => "wait until the other program has ended, or use another ledger",
            Self::Io { .. } => "check that the path exists, that you may use it, and that the disk has room",
            Self::Fleet { .. } => {
                "check that the store of the fleet and its store of files can be reached and have room"
            }
        }
    }
}
