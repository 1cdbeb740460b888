//! Connections whose other end has not said who it is: how many are heard at a time, in which order, and which are cut
//! off so that others are heard.
//!
//! Each is heard undisturbed for a while; afterwards it gives way, the oldest first, when others wait. Who takes many
//! places waits for places of its own, so that it keeps nobody else out.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Connections that are heard at a time.
const HEARD: usize = 64;
/// Of one source.
const HEARD_OF_ONE: usize = 32;
/// Connections that wait to be heard.
const WAITING: usize = 256;
/// For so long a connection is heard in any case: a handshake takes a round trip and some arithmetic.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// Where connections come from: an address, or the network of 64 bits that one host may have for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source(IpAddr);

impl Source {
    pub(super) fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            other => other,
        })
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            IpAddr::V6(v6) if !v6.is_loopback() => write!(f, "{v6}/64"),
            other => write!(f, "{other}"),
        }
    }
}

/// A connection that is being heard.
struct Heard<B> {
    number: u64,
    source: Source,
    since: Instant,
    /// Ends it.
    breaker: B,
}

/// The strangers at one listener: connections `C` that wait, and breakers `B` of those that are heard.
pub(super) struct Strangers<C, B> {
    waiting: VecDeque<(Source, C)>,
    heard: Vec<Heard<B>>,
    /// By source, those that left, were cut off or turned away without having said who they are.
    unknown: BTreeMap<Source, u64>,
    next: u64,
}

impl<C, B> Strangers<C, B> {
    pub(super) fn new() -> Self {
        Strangers { waiting: VecDeque::new(), heard: Vec::new(), unknown: BTreeMap::new(), next: 0 }
    }

    /// One more waits. If too many do, the last of whoever has most is turned away.
    pub(super) fn arrive(&mut self, source: Source, connection: C) {
        self.waiting.push_back((source, connection));
        if self.waiting.len() > WAITING {
            let mut counts = BTreeMap::new();
            for (source, _) in &self.waiting {
                *counts.entry(*source).or_insert(0) += 1;
            }
            let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(source, _)| source);
            let last = self.waiting.iter().rposition(|(source, _)| Some(*source) == most);
            if let Some((source, _)) = last.and_then(|at| self.waiting.remove(at)) {
                self.not_known(source);
            }
        }
    }

    /// The next to be heard, of the source that is heard least, and whom to cut off for it. [`Strangers::hear`] follows.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Source, C, Option<B>)> {
        let of = |source: Source| self.heard.iter().filter(|heard| heard.source == source).count();
        let counts: Vec<usize> = self.waiting.iter().map(|(source, _)| of(*source)).collect();
        let at = (0..counts.len()).min_by_key(|at| counts[*at])?;
        let from = if counts[at] >= HEARD_OF_ONE {
            Some(self.waiting[at].0)
        } else if self.heard.len() >= HEARD {
            self.heard.iter().map(|heard| heard.source).max_by_key(|source| of(*source))
        } else {
            None
        };
        let mut breaker = None;
        if let Some(from) = from {
            // They are in the order in which they began.
            let oldest = self.heard.iter().position(|heard| heard.source == from)?;
            if now.saturating_duration_since(self.heard[oldest].since) < UNDISTURBED {
                return None;
            }
            breaker = Some(self.heard.remove(oldest).breaker);
            self.not_known(from);
        }
        let (source, connection) = self.waiting.remove(at)?;
        Some((source, connection, breaker))
    }

    /// A connection is being heard from now on; returns its number.
    pub(super) fn hear(&mut self, source: Source, breaker: B, now: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.heard.push(Heard { number, source, since: now, breaker });
        number
    }

    /// It said who it is, or left without. Returns where it came from, unless it was cut off before.
    pub(super) fn done(&mut self, number: u64, known: bool) -> Option<Source> {
        let at = self.heard.iter().position(|heard| heard.number == number)?;
        let source = self.heard.remove(at).source;
        if !known {
            self.not_known(source);
        }
        Some(source)
    }

    fn not_known(&mut self, source: Source) {
        // A list of sources that anybody can make longer has an end.
        if self.unknown.len() < WAITING || self.unknown.contains_key(&source) {
            *self.unknown.entry(source).or_insert(0) += 1;
        }
    }

    /// In words, who was here and did not say who it is.
    pub(super) fn remark(&self) -> Option<String> {
        let mut all = self.unknown.clone();
        for source in self.heard.iter().map(|heard| heard.source).chain(self.waiting.iter().map(|w| w.0)) {
            *all.entry(source).or_insert(0) += 1;
        }
        let (most, count) = all.iter().max_by_key(|(_, count)| **count)?;
        let others = match all.len() - 1 {
            0 => String::new(),
            1 => " and one other address".to_owned(),
            n => format!(" and {n} other addresses"),
        };
        let were = if *count == 1 { "connection" } else { "connections" };
        Some(format!("{count} {were} from {most}{others} did not say who they are"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Room = Strangers<u32, u32>;

    fn source(last: u8) -> Source {
        Source::of(IpAddr::from([203, 0, 113, last]))
    }

    /// Hears whoever may be heard; the breakers of those that were cut off for it.
    fn serve(room: &mut Room, now: Instant) -> Vec<u32> {
        let mut cut = Vec::new();
        while let Some((source, connection, breaker)) = room.next(now) {
            room.hear(source, connection, now);
            cut.extend(breaker);
        }
        cut
    }

    #[test]
    fn who_takes_all_places_keeps_no_other_address_out() {
        let (mut room, start) = (Room::new(), Instant::now());
        (0..500).for_each(|n| room.arrive(source(1), n));
        assert!(serve(&mut room, start).is_empty());
        assert_eq!((room.heard.len(), room.waiting.len()), (HEARD_OF_ONE, WAITING - HEARD_OF_ONE));
        room.arrive(source(2), 1000);
        assert!(serve(&mut room, start).is_empty());
        assert_eq!(room.heard.last().map(|heard| heard.breaker), Some(1000));
        assert!(room.remark().unwrap().starts_with("500 connections from 203.0.113.1 and one other address"));
    }

    #[test]
    fn many_addresses_give_way_oldest_first_after_a_while() {
        let (mut room, start) = (Room::new(), Instant::now());
        for n in 0..u32::try_from(HEARD).unwrap() {
            room.arrive(source((n % 8) as u8), n);
        }
        serve(&mut room, start);
        assert_eq!(room.heard.len(), HEARD);
        room.arrive(source(99), 1000);
        assert!(serve(&mut room, start + UNDISTURBED / 2).is_empty());
        assert_eq!(room.waiting.len(), 1);
        assert_eq!(serve(&mut room, start + UNDISTURBED).len(), 1);
        assert_eq!((room.waiting.len(), room.heard.len()), (0, HEARD));
        assert_eq!(room.heard.last().map(|heard| heard.breaker), Some(1000));
    }

    #[test]
    fn of_one_address_the_oldest_gives_way_and_all_are_heard_in_turn() {
        let (mut room, start) = (Room::new(), Instant::now());
        let places = u32::try_from(HEARD_OF_ONE).unwrap();
        (0..2 * places + 8).for_each(|n| room.arrive(source(1), n));
        serve(&mut room, start);
        let later = start + UNDISTURBED;
        assert_eq!(serve(&mut room, later), (0..places).collect::<Vec<_>>());
        assert!(room.heard.iter().map(|heard| heard.breaker).eq(places..2 * places));
        assert_eq!(serve(&mut room, later + UNDISTURBED), (places..places + 8).collect::<Vec<_>>());
    }

    #[test]
    fn hosts_with_a_network_of_their_own_count_as_one() {
        let all = ["2001:db8::1", "2001:db8::ffff:1", "::ffff:192.0.2.1", "::1"];
        let all = all.map(|text| Source::of(text.parse().unwrap()).to_string());
        assert_eq!(all, ["2001:db8::/64", "2001:db8::/64", "192.0.2.1", "::1"]);
    }

    #[test]
    fn who_is_known_is_not_remarked_on() {
        let (mut room, start) = (Room::new(), Instant::now());
        for known in [true, false] {
            room.arrive(source(1), 0);
            let (source, ..) = room.next(start).unwrap();
            let number = room.hear(source, 0, start);
            room.done(number, known);
            room.done(number, !known);
        }
        assert_eq!(room.remark().unwrap(), "1 connection from 203.0.113.1 did not say who they are");
    }
}
