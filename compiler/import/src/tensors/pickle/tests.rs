use proptest::prelude::*;

use super::PickleError::{Malformed, Truncated};
use super::*;

/// The pickle of `{'a': torch.tensor([1., 2.]), 'b': ('x', -3, 0.5, True, None)}` as PyTorch writes it.
const TENSOR: &[u8] = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((\
    X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06\
    K\x02tq\x07QK\x00K\x02\x85q\x08K\x01\x85q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0d\
    X\x01\x00\x00\x00bq\x0e(X\x01\x00\x00\x00xq\x0fJ\xfd\xff\xff\xffG?\xe0\x00\x00\x00\x00\x00\x00\x88Ntq\x10u.";

#[test]
fn a_pickle_of_every_kind_of_value_is_read() {
    let pickle = read(TENSOR).unwrap();
    let storage = Storage { dtype: Dtype::F32, key: "0".into(), entries: 2 };
    let view = View { storage, offset: 0, shape: vec![2], strides: vec![1] };
    assert_eq!(pickle.get(pickle.root(), "a"), Some(&Value::Tensor(view)));
    let Some(Value::List(items)) = pickle.get(pickle.root(), "b") else { panic!("a tuple") };
    let items: Vec<&Value> = items.iter().map(|id| pickle.value(*id)).collect();
    let expected = [Value::Text("x".into()), Value::Int(-3), Value::Float(0.5), Value::Bool(true), Value::None];
    assert_eq!(items, expected.iter().collect::<Vec<_>>());
    assert_eq!(pickle.get(pickle.root(), "c"), None);
}

#[test]
fn a_value_may_hold_itself() {
    // l = []; l.append(l); {'l': l}, which only an arena can hold.
    let pickle = read(b"\x80\x02}X\x01\x00\x00\x00l]q\x00h\x00as.").unwrap();
    assert!(matches!(pickle.get(pickle.root(), "l"), Some(Value::List(items)) if items.len() == 1));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let refused = [
        &b""[..],
        b"\x80\x05.",
        b".",
        b"a",
        b"]a",
        b"(]Na",
        b"N(\x85",
        b"h\x00.",
        b"t",
        b"N(u",
        b"}(Nu",
        b"NNs",
        b")b",
        b"NQ",
        b"N)R",
        b"ctorch\nFloatStorage\n)R.",
        b"X\xff\xff\xff\xffa",
        b"X\x01\x00\x00\x00\xff.",
        b"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.",
        b"cos",
    ];
    for bytes in refused {
        assert!(matches!(read(bytes), Err(Truncated | Malformed(_))), "{bytes:?}");
    }
    assert_eq!(read(b"\x82\x01."), Err(PickleError::Opcode { opcode: 0x82, at: 0 }));
    let global = |module: &str, name: &str| PickleError::Global { module: module.into(), name: name.into() };
    assert_eq!(read(b"cos\nsystem\n.").unwrap_err(), global("os", "system"));
    let by_stack = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.";
    assert_eq!(read(by_stack).unwrap_err(), global("os", "system"));
}

proptest! {
    /// Whatever the bytes, reading ends with a value or a refusal, in a number of values bounded by their length.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(pickle) = read(&bytes) {
            prop_assert!(pickle.values.len() <= bytes.len());
        }
    }

    /// The same near a whole pickle, where more opcodes meet what they need.
    #[test]
    fn changed_pickles_are_read_or_refused(
        changes in proptest::collection::vec((0..TENSOR.len(), prop_oneof![any::<u8>(), Just(b'('), Just(b'R'), Just(b'h')]), 1..6),
        cut in 0..=TENSOR.len(),
    ) {
        let mut bytes = TENSOR.to_vec();
        for (at, to) in changes {
            bytes[at] = to;
        }
        for bytes in [&bytes[..], &bytes[..cut], &[&bytes[..cut], TENSOR].concat()] {
            if let Ok(pickle) = read(bytes) {
                prop_assert!(pickle.values.len() <= bytes.len());
            }
        }
    }
}
