//! A forest whose trees are joined and cut while questions are asked about them.
//!
//! A chain of connectors, or of collect nodes, may be as long as the file. Walking it again for every edge would take
//! time that grows with the square of the file, so every question here takes logarithmic time on average: these are
//! the link-cut trees of Sleator and Tarjan.

const NONE: usize = usize::MAX;

/// Nodes are named by number. A path from a root is kept as a binary tree, ordered by depth.
pub(super) struct Forest {
    /// The parent in the binary tree; of its root, the node above the path.
    up: Vec<usize>,
    /// Nodes of the path above this one, and below it.
    sides: Vec<[usize; 2]>,
}

impl Forest {
    /// A forest in which every node is alone.
    pub(super) fn new(nodes: usize) -> Self {
        Forest { up: vec![NONE; nodes], sides: vec![[NONE; 2]; nodes] }
    }

    /// The root of the tree that contains this node.
    pub(super) fn root(&mut self, node: usize) -> usize {
        self.expose(node);
        let mut root = node;
        while self.sides[root][0] != NONE {
            root = self.sides[root][0];
        }
        self.splay(root);
        root
    }

    /// Hangs a root below a node. Does nothing if it is the root of that very node: that would close a ring.
    pub(super) fn link(&mut self, root: usize, parent: usize) {
        if self.root(parent) != root {
            self.expose(root);
            self.up[root] = parent;
        }
    }

    /// Makes a node the root of what hangs below it.
    pub(super) fn cut(&mut self, node: usize) {
        self.expose(node);
        let above = std::mem::replace(&mut self.sides[node][0], NONE);
        if above != NONE {
            self.up[above] = NONE;
        }
    }

    /// Whether `above` lies on the path from the root to `node`, or is `node` itself.
    pub(super) fn is_above(&mut self, above: usize, node: usize) -> bool {
        self.expose(node);
        self.splay(above);
        // If it is in the same path, it has taken the node's place at the top of that path's tree.
        above == node || !self.is_top(node)
    }

    /// Makes the nodes from the root to this one a single path, with this node at the top of its tree.
    fn expose(&mut self, node: usize) {
        let (mut below, mut next) = (NONE, node);
        while next != NONE {
            self.splay(next);
            self.sides[next][1] = below;
            below = next;
            next = self.up[next];
        }
        self.splay(node);
    }

    /// Whether the node is at the top of the tree of its path.
    fn is_top(&self, node: usize) -> bool {
        let up = self.up[node];
        up == NONE || !self.sides[up].contains(&node)
    }

    fn splay(&mut self, node: usize) {
        while !self.is_top(node) {
            let up = self.up[node];
            if !self.is_top(up) {
                let same_side = self.side(node) == self.side(up);
                self.rotate(if same_side { up } else { node });
            }
            self.rotate(node);
        }
    }

    fn side(&self, node: usize) -> usize {
        usize::from(self.sides[self.up[node]][1] == node)
    }

    /// Swaps a node with the one above it in the tree of their path.
    fn rotate(&mut self, node: usize) {
        let (up, side) = (self.up[node], self.side(node));
        if !self.is_top(up) {
            let (top, side) = (self.up[up], self.side(up));
            self.sides[top][side] = node;
        }
        let inner = self.sides[node][1 - side];
        if inner != NONE {
            self.up[inner] = up;
        }
        self.sides[up][side] = inner;
        self.sides[node][1 - side] = up;
        self.up[node] = self.up[up];
        self.up[up] = node;
    }
}

#[cfg(test)]
mod tests {
    use super::Forest;

    /// The same by walking.
    fn root(parents: &[Option<usize>], mut node: usize) -> usize {
        while let Some(parent) = parents[node] {
            node = parent;
        }
        node
    }

    fn is_above(parents: &[Option<usize>], above: usize, mut node: usize) -> bool {
        while node != above {
            match parents[node] {
                Some(parent) => node = parent,
                None => return false,
            }
        }
        true
    }

    #[test]
    fn joined_and_cut_trees_answer_as_walking_does() {
        const NODES: usize = 40;
        let (mut forest, mut parents) = (Forest::new(NODES), vec![None; NODES]);
        let mut state = 1_u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..20_000 {
            let (a, b) = (random(NODES), random(NODES));
            match random(5) {
                0 if parents[a].is_some() => {
                    forest.cut(a);
                    parents[a] = None;
                }
                1 | 2 if parents[a].is_none() => {
                    forest.link(a, b);
                    if root(&parents, b) != a {
                        parents[a] = Some(b);
                    }
                }
                _ => {
                    assert_eq!(forest.root(a), root(&parents, a));
                    assert_eq!(forest.is_above(a, b), is_above(&parents, a, b));
                }
            }
        }
    }
}
