//! Tables for the ids and names of a workflow.
//!
//! A workflow looks up short names in its tables thousands of times, and a slower hash would spend most of that time on
//! protection that does not matter here: the names come from one file, and the seed of this hash differs in every run.

type State = foldhash::fast::RandomState;

pub(super) type Map<K, V> = std::collections::HashMap<K, V, State>;
pub(super) type Set<K> = std::collections::HashSet<K, State>;
pub(super) type Ordered<K, V> = indexmap::IndexMap<K, V, State>;
