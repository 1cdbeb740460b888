use super::*;

fn words(len: usize) -> Vec<u64> {
    let mut out = vec![0; len];
    crate::prg::fill(&crate::Seed::from_bytes([9; 16]), len as u64, 0, &mut out);
    out
}

#[test]
fn every_bit_goes_to_its_place_at_every_level() {
    for words_per_column in (0..20).chain([33, 128]) {
        let columns = words(words_per_column * COLUMNS);
        for level in Level::ALL.into_iter().filter(|&level| level <= level::hardware()) {
            let mut rows = vec![[0; 2]; words_per_column * SIDE];
            transpose_at_level(level, &columns, &mut rows);
            for (r, row) in rows.iter().enumerate() {
                for c in 0..COLUMNS {
                    let bit = columns[c * words_per_column + r / SIDE] >> (r % SIDE) & 1;
                    assert_eq!(row[c / SIDE] >> (c % SIDE) & 1, bit, "{level:?}: row {r}, column {c}");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "as many words")]
fn columns_of_another_length_are_refused() {
    transpose(&[0; 127], &mut [[0; 2]; 64]);
}
