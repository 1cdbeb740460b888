//! Network profiles, and the pacing by which a local link behaves like one.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

const LEAST_BYTES_PER_SECOND: f64 = 64e3;
const MOST_ROUND_TRIP_SECONDS: f64 = 4.0;

/// A network between the parties, as the planner sees it.
///
/// Written `loopback`, `lan`, `wan` or, for example, `rtt=40ms,bw=44MB/s` (times in `us`, `ms`, `s`; rates in `B/s`,
/// `kB/s`, `MB/s`, `GB/s`, `kbit/s`, `Mbit/s`, `Gbit/s`, decimal). With `uplink=one` all that a role sends shares one
/// line of this rate, as that of a dealer behind one connection does; otherwise every link has its own.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkProfile {
    /// The name or the text it was written as.
    pub name: String,
    /// Seconds from one party to the other and back.
    pub round_trip_seconds: f64,
    /// Bytes per second in each direction.
    pub bytes_per_second: f64,
    /// Whether what a role sends to different peers shares one line.
    pub one_uplink: bool,
}

/// Why a network profile was not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` is not a network profile: {detail}; use loopback, lan, wan, or for example rtt=40ms,bw=44MB/s")]
pub struct ProfileError {
    text: String,
    detail: String,
}

impl NetworkProfile {
    /// Parties on one machine. Links of this profile are not shaped.
    pub fn loopback() -> NetworkProfile {
        NetworkProfile::named("loopback", 50e-6, 1e9)
    }

    /// 1 Gbit/s, 0.3 ms.
    pub fn lan() -> NetworkProfile {
        NetworkProfile::named("lan", 0.3e-3, 125e6)
    }

    /// 44 MB/s each way, 40 ms: the wide-area network of the MPCViT paper.
    pub fn wan() -> NetworkProfile {
        NetworkProfile::named("wan", 40e-3, 44e6)
    }

    fn named(name: &str, round_trip_seconds: f64, bytes_per_second: f64) -> NetworkProfile {
        NetworkProfile { name: name.to_owned(), round_trip_seconds, bytes_per_second, one_uplink: false }
    }

    /// How to shape a local link so that it behaves like this network; `None` for `loopback`.
    pub fn shape(&self) -> Option<NetworkShape> {
        (self.name != "loopback").then(|| NetworkShape {
            round_trip: Duration::from_secs_f64(self.round_trip_seconds),
            bytes_per_second: self.bytes_per_second,
            uplink: self.one_uplink.then(Uplink::default),
        })
    }
}

impl fmt::Display for NetworkProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for NetworkProfile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<NetworkProfile, ProfileError> {
        match text.trim() {
            "loopback" => Ok(NetworkProfile::loopback()),
            "lan" => Ok(NetworkProfile::lan()),
            "wan" => Ok(NetworkProfile::wan()),
            custom => parse_custom(custom).map_err(|detail| ProfileError { text: custom.to_owned(), detail }),
        }
    }
}

fn parse_custom(text: &str) -> Result<NetworkProfile, String> {
    const TIMES: [(&str, f64); 3] = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    const RATES: [(&str, f64); 7] = [
        ("kbit/s", 125.0),
        ("Mbit/s", 125e3),
        ("Gbit/s", 125e6),
        ("kB/s", 1e3),
        ("MB/s", 1e6),
        ("GB/s", 1e9),
        ("B/s", 1.0),
    ];
    let (mut round_trip, mut rate, mut one_uplink) = (None, None, false);
    for field in text.split(',') {
        let (slot, value, units) = match field.trim().split_once('=') {
            Some(("rtt", value)) => (&mut round_trip, value, &TIMES[..]),
            Some(("bw", value)) => (&mut rate, value, &RATES[..]),
            Some(("uplink", "one")) if !one_uplink => {
                one_uplink = true;
                continue;
            }
            Some(("uplink", _)) => return Err(format!("`{field}` is not `uplink=one`, given once")),
            _ => return Err(format!("`{field}` is none of `rtt=`, `bw=` and `uplink=one`")),
        };
        if slot.replace(parse_quantity(value.trim(), units)?).is_some() {
            return Err(format!("`{field}` is given twice"));
        }
    }
    let round_trip = round_trip.ok_or("`rtt=` is missing")?;
    let rate = rate.ok_or("`bw=` is missing")?;
    if round_trip > MOST_ROUND_TRIP_SECONDS {
        return Err(format!("a round trip is at most {MOST_ROUND_TRIP_SECONDS} s"));
    }
    if rate < LEAST_BYTES_PER_SECOND {
        return Err(format!("a rate is at least {} kB/s", LEAST_BYTES_PER_SECOND / 1e3));
    }
    Ok(NetworkProfile { one_uplink, ..NetworkProfile::named(text, round_trip, rate) })
}

fn parse_quantity(text: &str, units: &[(&str, f64)]) -> Result<f64, String> {
    let known = || units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>().join(", ");
    let (number, scale) = units
        .iter()
        .find_map(|(unit, scale)| text.strip_suffix(unit).map(|number| (number.trim(), *scale)))
        .ok_or_else(|| format!("`{text}` needs a unit ({})", known()))?;
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value * scale),
        _ => Err(format!("`{number}` is not a number that can be used here")),
    }
}

/// What a shaped link imitates: a line of this rate and delay in each direction. It has no loss, jitter or slow start.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkShape {
    /// From one end to the other and back.
    pub round_trip: Duration,
    /// Bytes per second in each direction.
    pub bytes_per_second: f64,
    /// The line of all links that are given this one; without it every link has its own.
    pub uplink: Option<Uplink>,
}

/// A line that several links of one role send through.
#[derive(Clone, Debug)]
pub struct Uplink(Arc<Mutex<Instant>>);

impl Default for Uplink {
    fn default() -> Uplink {
        Uplink(Arc::new(Mutex::new(Instant::now())))
    }
}

impl PartialEq for Uplink {
    fn eq(&self, other: &Uplink) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Uplink {
    /// Moves the moment when the line is free, and says it.
    fn free(&self, change: impl FnOnce(Instant) -> Instant) -> Instant {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *free = change(*free);
        *free
    }
}

/// The transmit clock of one direction of a shaped link.
#[derive(Debug)]
pub(crate) struct Pacer {
    shape: NetworkShape,
    line: Uplink,
}

impl Pacer {
    pub(crate) fn new(shape: NetworkShape) -> Pacer {
        let line = shape.uplink.clone().unwrap_or_default();
        Pacer { shape, line }
    }

    /// A frame that was queued at this moment begins when the line is free.
    pub(crate) fn begin(&mut self, queued_at: Instant) {
        self.line.free(|free| free.max(queued_at));
    }

    /// When the next bytes of the frame have reached the other end.
    pub(crate) fn arrival(&mut self, bytes: u64) -> Instant {
        const LONGEST: Duration = Duration::from_secs(3600);
        let seconds = bytes as f64 / self.shape.bytes_per_second;
        let seconds = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST);
        self.line.free(|free| free + seconds) + self.shape.round_trip / 2
    }
}

/// Sleeps until a moment; with `precise`, spins the last stretch that the scheduler would oversleep.
pub(crate) fn sleep_until(moment: Instant, precise: bool) {
    const SPIN: Duration = Duration::from_micros(100);
    let margin = if precise { SPIN } else { Duration::ZERO };
    let remaining = moment.saturating_duration_since(Instant::now());
    if remaining > margin {
        std::thread::sleep(remaining - margin);
    }
    while precise && Instant::now() < moment {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<NetworkProfile, ProfileError> {
        text.parse()
    }

    #[test]
    fn names_and_custom_profiles() {
        assert_eq!(parse("loopback").unwrap().shape(), None);
        let lan = parse("lan").unwrap();
        assert_eq!((lan.round_trip_seconds, lan.bytes_per_second), (0.3e-3, 125e6));
        let wan = parse("wan").unwrap().shape().unwrap();
        assert_eq!(wan, NetworkShape { round_trip: Duration::from_millis(40), bytes_per_second: 44e6, uplink: None });
        let custom = parse(" bw=100 Mbit/s, rtt=1500us ").unwrap();
        assert!((custom.round_trip_seconds - 1.5e-3).abs() < 1e-12);
        assert!((custom.bytes_per_second - 12.5e6).abs() < 1e-6);
        assert_eq!(parse(&custom.to_string()), Ok(custom));
    }

    #[test]
    fn bad_profiles_are_refused() {
        for text in [
            "",
            "man",
            "rtt=40ms",
            "bw=44MB/s",
            "rtt=40,bw=44MB/s",
            "rtt=40ms,bw=44",
            "rtt=-1ms,bw=44MB/s",
            "rtt=NaNms,bw=44MB/s",
            "rtt=40ms,bw=0MB/s",
            "rtt=40ms,rtt=40ms,bw=1MB/s",
            "rtt=40ms,bw=infMB/s",
            "rtt=60s,bw=44MB/s",
            "rtt=40ms,bw=44MB/s,loss=1",
            "rtt=40ms,bw=44MB/s,uplink=two",
            "uplink=one,rtt=40ms,bw=44MB/s,uplink=one",
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains("rtt=40ms,bw=44MB/s"), "{error}");
        }
    }

    #[test]
    fn frames_queue_behind_each_other_on_the_line() {
        let shape = NetworkShape { round_trip: Duration::from_millis(40), bytes_per_second: 1e6, uplink: None };
        let mut pacer = Pacer::new(shape);
        let start = Instant::now() + Duration::from_secs(1);
        pacer.begin(start);
        assert_eq!(pacer.arrival(10_000) - start, Duration::from_millis(30));
        pacer.begin(start + Duration::from_millis(5));
        assert_eq!(pacer.arrival(10_000) - start, Duration::from_millis(40));
        pacer.begin(start + Duration::from_millis(100));
        assert_eq!(pacer.arrival(10_000) - start, Duration::from_millis(130));
    }

    /// What a dealer sends to one party waits for what it sends to the other, and for nothing without a shared line.
    #[test]
    fn links_with_one_uplink_take_turns() {
        for (uplink, second) in [("", 30), (",uplink=one", 40)] {
            let shape = parse(&format!("rtt=40ms,bw=1MB/s{uplink}")).unwrap().shape().unwrap();
            let mut pacers = [Pacer::new(shape.clone()), Pacer::new(shape.clone())];
            let start = Instant::now() + Duration::from_secs(1);
            let arrivals = pacers.each_mut().map(|pacer| {
                pacer.begin(start);
                pacer.arrival(10_000) - start
            });
            assert_eq!(arrivals, [30, second].map(Duration::from_millis), "{uplink}");
        }
    }
}
