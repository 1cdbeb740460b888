use super::*;
use crate::cost;
use crate::sample;
use crate::work::PerUnit;

fn codes() -> (Program, [RoleCode; 3]) {
    let program = sample::program();
    let codes = [Role::ModelOwner, Role::DataOwner, Role::Dealer].map(|role| crate::gates::lower(&program, role));
    (program, codes)
}

fn total(estimate: &Estimate) -> f64 {
    let seconds = |i: &Inference| i.offline_seconds + i.online_seconds;
    estimate.setup_seconds + seconds(&estimate.first) + seconds(&estimate.later)
}

#[test]
fn counts_are_those_of_the_formulas() {
    let (program, codes) = codes();
    let workload = Workload::new(&program);
    let cost = cost::program(&program);
    let macs = |code: &RoleCode| {
        let of = |instr: &Instr| match instr {
            Instr::MatMul { batch, m, k, n, .. } => (batch * m * k * n) as u64,
            _ => 0,
        };
        code.steps.iter().flat_map(|s| &s.local).map(of).sum::<u64>()
    };
    assert_eq!([macs(&codes[0]), macs(&codes[1])], cost.macs);
    let work = workload.online_work();
    for (work, macs) in work.iter().zip(cost.macs) {
        let words = work.product + work.half_product;
        assert!(words + work.double_product >= macs && words <= macs);
    }
    let both = |bytes: cost::PartyBytes| [bytes.model_owner, bytes.data_owner];
    assert_eq!(workload.online_bytes(), both(cost.online_bytes));
    assert_eq!(workload.offline_bytes(), both(cost.offline_bytes));
    let received: [u64; 2] =
        std::array::from_fn(|p| workload.parties[p].offline.items.iter().map(|i| i.corrections[p]).sum());
    assert_eq!(received, workload.offline_bytes());
    assert!(cost.macs[0] > 0 && received[1] > 0);
}

/// What one party packs, the other unpacks, word by word; what the dealer packs, its receivers unpack.
#[test]
fn words_that_leave_arrive() {
    let (program, [model_owner, data_owner, dealer]) = codes();
    let workload = Workload::of(&model_owner, &data_owner, &dealer);
    for (m, d) in workload.parties[0].steps.iter().zip(&workload.parties[1].steps) {
        assert_eq!((m.messages[0].packed, m.bytes[0]), (d.messages[1].unpacked, d.bytes[1]), "{}", program.name);
        assert_eq!((d.messages[0].packed, d.bytes[0]), (m.messages[1].unpacked, m.bytes[1]));
    }
    let sum = |section: &Section, of: fn(&Item) -> u64| section.items.iter().map(of).sum::<u64>();
    let offline = [0, 1].map(|p| sum(&workload.parties[p].offline, |i| i.work.unpacked));
    let packed = sum(&workload.dealer.offline, |i| i.work.packed);
    // What both get is packed once.
    let twice = offline[0] + offline[1] - packed;
    assert!(twice > 0 && twice < offline[0].min(offline[1]), "{offline:?} of {packed}");
}

#[test]
fn an_inference_takes_the_sum_of_its_hops() {
    let (program, _) = codes();
    let workload = Workload::new(&program);
    for link in [Link::LOOPBACK, Link::WAN] {
        let estimate = workload.estimate(&Machine::built_in(), link);
        for inference in [&estimate.first, &estimate.later, &estimate.mean(3)] {
            assert_eq!(inference.hops.len(), usize::from(program.hops) + 1);
            assert!(inference.hops.iter().all(|s| *s >= 0.0), "{:?}", inference.hops);
            let sum: f64 = inference.hops.iter().sum();
            assert!((sum - inference.online_seconds).abs() < 1e-12);
        }
        // Every hop of the sample goes both ways or is answered, so none is shorter than half a round trip; but the data
        // owner sends its input and its first opening together.
        let least = f64::from(program.hops - 1) * link.round_trip_seconds / 2.0;
        assert!(estimate.later.online_seconds >= least * 0.999);
        assert!(estimate.later.online_seconds < estimate.first.online_seconds);
        assert_eq!(estimate.mean(1), estimate.first);
    }
}

#[test]
fn slower_machines_and_networks_take_longer() {
    let workload = Workload::new(&sample::program());
    let built_in = Machine::built_in();
    let base = total(&workload.estimate(&built_in, Link::WAN));
    for unit in 0..built_in.nanoseconds.entries().len() {
        let mut at = 0;
        let slower = |rate: &f64| {
            at += 1;
            if at == unit + 1 { rate * 1e4 } else { *rate }
        };
        let machine = Machine { nanoseconds: built_in.nanoseconds.map(slower), ..built_in.clone() };
        let name = built_in.nanoseconds.entries()[unit].0;
        assert!(total(&workload.estimate(&machine, Link::WAN)) >= base, "{name}");
    }
    let machine = Machine { exchange_microseconds: 500.0, ..built_in.clone() };
    assert!(total(&workload.estimate(&machine, Link::WAN)) > base);
    let machine = Machine { nanoseconds: built_in.nanoseconds.map(|rate| rate * 2.0), ..built_in.clone() };
    assert!(total(&workload.estimate(&machine, Link::WAN)) > base);
    for link in [Link { round_trip_seconds: 50e-3, ..Link::WAN }, Link { bytes_per_second: 1e6, ..Link::WAN }] {
        assert!(total(&workload.estimate(&built_in, link)) > base);
    }
    let one_core = Machine { cores: 1, ..built_in.clone() };
    let [one, two] = [&one_core, &built_in].map(|machine| total(&workload.estimate(machine, Link::LOOPBACK)));
    assert!(one >= two);
}

/// A later setup waits for one exchange and for nothing that travels.
#[test]
fn a_later_setup_does_not_depend_on_bandwidth() {
    let workload = Workload::new(&sample::program());
    let machine = Machine::built_in();
    let line = |bytes_per_second| Link { bytes_per_second, ..Link::WAN };
    let [slow, fast] = [1e3, 1e9].map(|rate| workload.estimate(&machine, line(rate)));
    assert!(slow.setup_seconds > 2.0 * fast.setup_seconds);
    assert_eq!(slow.setup_again_seconds, fast.setup_again_seconds);
    assert!((0.02..0.03).contains(&fast.setup_again_seconds), "{}", fast.setup_again_seconds);
}

/// Both parties' corrections leave through it, and nothing else does.
#[test]
fn one_uplink_of_the_dealer_makes_dealing_longer() {
    let workload = Workload::new(&sample::program());
    let offline = workload.offline_bytes();
    let machine = Machine::built_in();
    let apart = Link { bytes_per_second: 1e3, ..Link::WAN };
    let [apart, shared] = [apart, Link { one_uplink: true, ..apart }].map(|link| workload.estimate(&machine, link));
    let seconds = |bytes: u64| bytes as f64 / 1e3;
    let either = |bytes: f64, estimate: &Estimate| estimate.later.offline_seconds / bytes;
    assert!((1.0..1.2).contains(&either(seconds(offline[0].max(offline[1])), &apart)), "{offline:?} {apart:?}");
    assert!((1.0..1.2).contains(&either(seconds(offline[0] + offline[1]), &shared)), "{offline:?} {shared:?}");
    assert_eq!(apart.later.hops, shared.later.hops);
}

#[test]
fn rates_that_are_no_rates_are_refused() {
    assert_eq!(Machine::built_in().check(), Ok(()));
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let nanoseconds = PerUnit { drawn: rate, ..Machine::built_in().nanoseconds };
        let error = Machine { nanoseconds, ..Machine::built_in() }.check().expect_err("refused").to_string();
        assert!(error.contains("`drawn`") && error.contains("calibrate"), "{error}");
    }
}
