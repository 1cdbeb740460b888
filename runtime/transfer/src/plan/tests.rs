use super::*;

fn mixed() -> Vec<Request> {
    vec![
        Request::Product { count: 5000, bits: 3, widths: vec![40, 2, 66] },
        Request::Chosen { count: 0, widths: vec![1] },
        Request::Random { count: 700, bits: 12, widths: vec![5] },
        Request::Product { count: 1000, bits: 64, widths: vec![128] },
        Request::Chosen { count: 9001, widths: vec![65, 3] },
    ]
}

#[test]
fn every_item_has_rows_of_its_own() {
    let plan = Plan::new(mixed()).unwrap();
    for field in [5, 8].map(|bits| Field::new(bits).unwrap()) {
        let mut items = vec![0; plan.requests().len()];
        let chunks = plan.chunks(field);
        for (i, chunk) in chunks.iter().enumerate() {
            assert!(chunk.rows.is_multiple_of(STEP) && chunk.rows <= CHUNK);
            let last = chunks.get(i + 1).is_none_or(|next| next.code != chunk.code);
            assert!(chunk.rows == CHUNK || last, "only the last chunk of a code is short");
            let mut row = 0;
            for run in &chunk.runs {
                let (code, rows) = plan.requests()[run.request].rows(field);
                assert!(run.items > 0 && run.first_row == row && run.first_item == items[run.request]);
                assert_eq!(code, chunk.code);
                items[run.request] += run.items;
                row += run.items * rows;
            }
            assert!(row <= chunk.rows);
        }
        let counts: Vec<usize> = plan.requests().iter().map(Request::count).collect();
        assert_eq!(items, counts);
        assert_eq!(plan.transfers(field), chunks.iter().map(|chunk| chunk.rows as u64).sum::<u64>());
    }
}

#[test]
fn nothing_costs_nothing() {
    let field = Field::new(8).unwrap();
    for requests in [vec![], vec![Request::Random { count: 0, bits: 1, widths: vec![1] }]] {
        let plan = Plan::new(requests).unwrap();
        assert_eq!((plan.transfers(field), plan.price(field)), (0, Price::default()));
    }
    let random = Plan::new(vec![Request::Random { count: 128, bits: 1, widths: vec![1] }]).unwrap();
    assert_eq!(random.price(field), Price { choices: TAG + 128 * 2, strings: 0 });
}

#[test]
fn a_correlated_transfer_costs_its_formula() {
    let count = 10 * CHUNK;
    let plan = Plan::new(vec![Request::Product { count, bits: 1, widths: vec![36] }]).unwrap();
    for field in Field::ALL {
        let price = plan.price(field);
        assert_eq!(price.choices, TAG + count * field.trees() / 8);
        assert_eq!(price.strings, TAG + count * 36 / 8);
    }
    let field = Field::new(8).unwrap();
    let narrow = |bits| Plan::new(vec![Request::Product { count: 100, bits, widths: vec![5, 7] }]).unwrap();
    assert_eq!(
        (narrow(7).transfers(field), narrow(64).transfers(field)),
        (768, 768),
        "bits above the widest ring cost nothing"
    );
    let gilboa = Plan::new(vec![Request::Product { count: 8, bits: 17, widths: vec![47] }]).unwrap();
    assert_eq!(gilboa.price(field).strings, TAG + (31..=47).sum::<usize>());
}

#[test]
fn digits_cost_a_word_of_their_code() {
    let price = |bits, field: u32| {
        let plan = Plan::new(vec![Request::Random { count: CHUNK, bits, widths: vec![1] }]).unwrap();
        (plan.price(Field::new(field).unwrap()).choices - TAG) * 8 / CHUNK
    };
    assert_eq!([1, 2, 3, 4, 5, 6, 8, 10, 12].map(|bits| price(bits, 8)), [16, 24, 28, 30, 31, 32, 60, 62, 64]);
    assert_eq!([1, 4, 12].map(|bits| price(bits, 4)), [32, 128, 384]);
}

#[test]
fn what_breaks_a_rule_is_refused_by_its_place() {
    let good = Request::Chosen { count: 1, widths: vec![1] };
    let refused = |request| Plan::new(vec![good.clone(), request]).unwrap_err();
    for width in [0, 129] {
        let error = refused(Request::Chosen { count: 1, widths: vec![3, width] });
        assert_eq!(error, PlanError::Width { request: 1, width });
    }
    for bits in [0, 65] {
        let error = refused(Request::Product { count: 1, bits, widths: vec![3] });
        assert_eq!(error, PlanError::Bits { request: 1, bits, most: 64 });
    }
    let error = refused(Request::Random { count: 1, bits: 13, widths: vec![3] });
    assert_eq!(error, PlanError::Bits { request: 1, bits: 13, most: 12 });
    for strings in [0, 65] {
        let error = refused(Request::Chosen { count: 1, widths: vec![1; strings] });
        assert_eq!(error, PlanError::Strings { request: 1, strings, most: 64 });
    }
    for count in [usize::MAX, 1 << 33] {
        let error = refused(Request::Random { count, bits: 12, widths: vec![128] });
        assert_eq!(error, PlanError::Large { request: 1, most: MOST });
    }
}

#[test]
fn different_lists_have_different_digests() {
    let lists = [
        vec![Request::Product { count: 2, bits: 1, widths: vec![3] }],
        vec![Request::Product { count: 1, bits: 2, widths: vec![3] }],
        vec![Request::Product { count: 2, bits: 1, widths: vec![3, 3] }],
        vec![Request::Random { count: 2, bits: 1, widths: vec![3] }],
        vec![Request::Chosen { count: 2, widths: vec![3] }],
        vec![Request::Chosen { count: 1, widths: vec![3] }, Request::Chosen { count: 1, widths: vec![3] }],
        vec![],
    ];
    let digests: std::collections::HashSet<[u8; 32]> =
        lists.into_iter().map(|list| *Plan::new(list).unwrap().digest()).collect();
    assert_eq!(digests.len(), 7);
}
