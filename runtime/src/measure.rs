//! What a session cost, as each role saw it, and the joint view that programs read.

use serde::{Deserialize, Serialize};

/// What one role saw of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleReport {
    /// `model-owner`, `data-owner` or `dealer`.
    pub role: String,
    /// Hops of one inference; 0 at the dealer.
    pub hops: u64,
    /// Inferences that shared hops; 0 at the dealer.
    pub batch: u64,
    /// Payload bytes of the setup that this role sent to the peer.
    pub setup_bytes_sent: u64,
    /// Payload bytes of the setup that this role received from the peer.
    pub setup_bytes_received: u64,
    /// Bytes of the dealer's corrections for the setup that passed this role.
    pub setup_correction_bytes: u64,
    /// From agreement on the session to the end of the setup.
    pub setup_seconds: f64,
    /// Whether the masked weights were those of an earlier session.
    #[serde(default)]
    pub setup_kept: bool,
    /// One entry per inference; those of a batch share its seconds.
    pub inferences: Vec<InferenceMeasurement>,
    /// Bytes this role sent that are not payload: frames and TLS, handshakes included.
    pub wire_overhead_bytes: u64,
    /// The most memory the process ever held, where the system says so.
    pub peak_rss_bytes: Option<u64>,
    /// What a party made with the other one before the session, if no dealer did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub making: Option<MakingMeasurement>,
}

/// What a party saw while both made material for the inferences of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MakingMeasurement {
    /// Inferences that it is for.
    pub inferences: u64,
    /// Simultaneous exchanges.
    pub hops: u64,
    /// Payload sent to the peer.
    pub bytes_sent: u64,
    /// Payload received from it.
    pub bytes_received: u64,
    /// From the first exchange to the last.
    pub seconds: f64,
}

/// What one role saw of one inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InferenceMeasurement {
    /// Online payload bytes sent to the peer.
    pub online_bytes_sent: u64,
    /// Online payload bytes received from the peer.
    pub online_bytes_received: u64,
    /// Bytes of corrections: received by a party, sent to both parties by the dealer.
    pub offline_bytes: u64,
    /// From the request for material until both parties have theirs; at the dealer, generation and sending.
    pub offline_seconds: f64,
    /// From both parties' readiness to the outputs.
    pub online_seconds: f64,
}

/// A number for each party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerParty<T> {
    /// Party 0.
    pub model_owner: T,
    /// Party 1.
    pub data_owner: T,
}

/// A number for each role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerRole<T> {
    /// Party 0.
    pub model_owner: T,
    /// Party 1.
    pub data_owner: T,
    /// The dealer.
    pub dealer: T,
}

/// The cost of a session as reported to programs. Bytes are of one inference, seconds are means over the inferences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Hops of one inference.
    pub hops: u64,
    /// Payload bytes sent by each party.
    pub online_bytes: PerParty<u64>,
    /// Bytes of corrections received by each party.
    pub offline_bytes: PerParty<u64>,
    /// Payload bytes of the setup between the parties, both ways, and its corrections.
    pub setup_bytes: u64,
    /// Once per session.
    pub setup_seconds: f64,
    /// Whether the masked weights were those of an earlier session.
    #[serde(default)]
    pub setup_kept: bool,
    /// Per inference.
    pub offline_seconds: f64,
    /// Per inference.
    pub online_seconds: f64,
    /// Number of inferences.
    pub inferences: u64,
    /// Inferences that shared hops; of a batch's seconds each has its part.
    pub batch: u64,
    /// Bytes that are not payload, sent by each role.
    pub wire_overhead_bytes: PerRole<Option<u64>>,
    /// Peak memory of each role's process.
    pub peak_rss_bytes: PerRole<Option<u64>>,
    /// Material that the parties made, for all inferences together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

/// Material that two parties made for the inferences of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Simultaneous exchanges.
    pub hops: u64,
    /// Payload sent by each party.
    pub bytes: PerParty<u64>,
    /// Of all of it.
    pub seconds: f64,
}

impl Measurement {
    /// The joint view: counts and times as the data owner saw them, the others' processes as far as they reported.
    ///
    /// Without the model owner's report its correction bytes are taken as 0: for most gates it expands its seed.
    pub fn new(data_owner: &RoleReport, model_owner: Option<&RoleReport>, dealer: Option<&RoleReport>) -> Measurement {
        let own = &data_owner.inferences;
        let first = own.first().copied().unwrap_or_default();
        let mean = |seconds: fn(&InferenceMeasurement) -> f64| {
            own.iter().map(seconds).sum::<f64>() / (own.len().max(1) as f64)
        };
        let offline_of = |report: &RoleReport| report.inferences.first().map_or(0, |i| i.offline_bytes);
        let per_role = |value: fn(&RoleReport) -> Option<u64>| PerRole {
            model_owner: model_owner.and_then(value),
            data_owner: value(data_owner),
            dealer: dealer.and_then(value),
        };
        Measurement {
            hops: data_owner.hops,
            online_bytes: PerParty { model_owner: first.online_bytes_received, data_owner: first.online_bytes_sent },
            offline_bytes: PerParty { model_owner: model_owner.map_or(0, offline_of), data_owner: first.offline_bytes },
            setup_bytes: data_owner.setup_bytes_sent
                + data_owner.setup_bytes_received
                + data_owner.setup_correction_bytes,
            setup_seconds: data_owner.setup_seconds,
            setup_kept: data_owner.setup_kept,
            offline_seconds: mean(|i| i.offline_seconds),
            online_seconds: mean(|i| i.online_seconds),
            inferences: own.len() as u64,
            batch: data_owner.batch,
            wire_overhead_bytes: per_role(|r| Some(r.wire_overhead_bytes)),
            peak_rss_bytes: per_role(|r| r.peak_rss_bytes),
            made: data_owner.making.map(|making| Made {
                hops: making.hops,
                bytes: PerParty { model_owner: making.bytes_received, data_owner: making.bytes_sent },
                seconds: making.seconds,
            }),
        }
    }
}

/// The most memory this process ever held, from `/proc/self/status`; none where that does not exist.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
