use super::*;

#[test]
fn all_leaves_but_one_are_shared_for_every_path_of_every_depth() {
    let hash = Permutation::new(&[6; 16]);
    for depth in 1..=8 {
        let (leaves, sums) = whole(&hash, [11, depth as u64], depth);
        let distinct: std::collections::HashSet<Block> = leaves.iter().copied().collect();
        assert_eq!((leaves.len(), distinct.len()), (1 << depth, 1 << depth));
        for path in 0..1usize << depth {
            let bits: Vec<u64> = (0..depth).rev().map(|bit| (path >> bit & 1) as u64).collect();
            let beside: Vec<Block> = sums.iter().zip(&bits).map(|(sums, &bit)| sums[1 - bit as usize]).collect();
            let known = punctured(&hash, &bits, &beside);
            assert_eq!(known.len(), leaves.len());
            for (place, leaf) in known.iter().enumerate().skip(1) {
                assert_eq!(*leaf, leaves[place ^ path], "depth {depth}, path {path}, place {place}");
            }
            assert!(!distinct.contains(&known[0]), "nobody made the leaf on the path");
        }
    }
}

#[test]
fn a_tree_grows_by_its_formula() {
    let hash = Permutation::new(&[6; 16]);
    let node = |seed: Block, bits: &[u64]| {
        bits.iter().fold(seed, |seed, bit| {
            let mut child = [[seed[0] ^ bit, seed[1]]];
            hash.one_way(&mut child);
            child[0]
        })
    };
    let (leaves, sums) = whole(&hash, [1, 2], 2);
    assert_eq!(leaves[..], [[0, 0], [0, 1], [1, 0], [1, 1]].map(|bits| node([1, 2], &bits)));
    assert_eq!(sums[0], [node([1, 2], &[0]), node([1, 2], &[1])]);
    assert_eq!(sums[1], [xor(leaves[0], leaves[2]), xor(leaves[1], leaves[3])]);
}
