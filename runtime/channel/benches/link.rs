//! What an encrypted link within one machine takes: the fixed part of a hop, bytes a second in one direction and in
//! both, and how close a paced link stays to its network.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mpcc_channel::{Duplex, Identity, Link, LinkError, LinkOptions, Listener, NetworkProfile, Peer, connect};

const KIND: u8 = 9;
/// As many bytes as small openings have.
const SHORT: usize = 64;
const SIZES: [usize; 2] = [1 << 20, 16 << 20];
/// On the paced link, in each direction.
const PACED: usize = 4 << 20;

/// A link within this process, and a thread that does the same at its other end again and again until the link ends.
fn link(
    options: &LinkOptions,
    mut far_end: impl FnMut(&mut Link) -> Result<(), LinkError> + Send + 'static,
) -> (Link, JoinHandle<()>) {
    let (near, far) = (Identity::generate().expect("an identity"), Identity::generate().expect("an identity"));
    let listener = Listener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().to_string();
    let (to_near, to_far) =
        (Peer::new("the near end", near.fingerprint()), Peer::new("the far end", far.fingerprint()));
    let far_options = options.clone();
    let thread = thread::spawn(move || {
        let mut link = connect(&address, &far, &to_near, &far_options).expect("a link");
        link.receive_ahead(far_options.queue_bytes);
        while far_end(&mut link).is_ok() {}
    });
    let mut link = listener.accept(&near, &to_far, options).expect("a link");
    link.receive_ahead(options.queue_bytes);
    (link, thread)
}

fn finish((link, thread): (Link, JoinHandle<()>)) {
    drop(link);
    thread.join().expect("the far end ends");
}

fn send(link: &mut Link, bytes: usize) -> Result<(), LinkError> {
    let mut message = link.buffer();
    message.resize(bytes, 1);
    link.send(KIND, message)
}

fn receive(link: &mut Link, bytes: usize) -> Result<(), LinkError> {
    let message = link.recv_exact(KIND, bytes)?;
    link.recycle(message);
    Ok(())
}

/// Both ends send, then both receive.
fn exchange(link: &mut Link, bytes: usize) -> Result<(), LinkError> {
    send(link, bytes)?;
    receive(link, bytes)
}

fn hops(c: &mut Criterion) {
    let mut group = c.benchmark_group("hop");
    let mut ends = link(&LinkOptions::default(), |link| exchange(link, SHORT));
    group.bench_function("64 bytes both ways", |b| b.iter(|| exchange(&mut ends.0, SHORT).expect("an exchange")));
    finish(ends);
    let mut ends = link(&LinkOptions::default(), |link| {
        receive(link, SHORT)?;
        send(link, SHORT)
    });
    group.bench_function("64 bytes there and back", |b| b.iter(|| exchange(&mut ends.0, SHORT).expect("a reply")));
    finish(ends);
}

fn rates(c: &mut Criterion) {
    let mut group = c.benchmark_group("bytes");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for bytes in SIZES {
        // The reply of one byte says that all has arrived.
        let mut ends = link(&LinkOptions::default(), move |link| {
            receive(link, bytes)?;
            send(link, 1)
        });
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("one way", bytes), |b| {
            b.iter(|| {
                send(&mut ends.0, bytes).expect("a message");
                receive(&mut ends.0, 1).expect("a reply");
            });
        });
        finish(ends);
        let mut ends = link(&LinkOptions::default(), move |link| exchange(link, bytes));
        group.throughput(Throughput::Bytes(2 * bytes as u64));
        group.bench_function(BenchmarkId::new("both ways", bytes), |b| {
            b.iter(|| exchange(&mut ends.0, bytes).expect("an exchange"));
        });
        finish(ends);
    }
}

/// The same through plain sockets, a thread for each direction at each end: what the system alone allows.
fn sockets(c: &mut Criterion) {
    let mut group = c.benchmark_group("plain TCP");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    for bytes in SIZES {
        let pair = || {
            let near = TcpStream::connect(address).expect("a connection");
            near.set_nodelay(true).expect("an option of the socket");
            (near, listener.accept().expect("a connection").0)
        };
        // One connection for each direction, as a link has.
        let ((there, far_in), (back, far_out)) = (pair(), pair());
        let (go, wait) = mpsc::channel::<()>();
        let far = thread::spawn(move || {
            let run = |_: ()| both_ways(&far_out, &far_in, bytes);
            wait.iter().for_each(run);
        });
        group.throughput(Throughput::Bytes(2 * bytes as u64));
        group.bench_function(BenchmarkId::new("both ways", bytes), |b| {
            b.iter(|| {
                go.send(()).expect("the far end waits");
                both_ways(&there, &back, bytes);
            });
        });
        drop(go);
        far.join().expect("the far end ends");
    }
}

fn both_ways(mut outgoing: &TcpStream, mut incoming: &TcpStream, bytes: usize) {
    thread::scope(|scope| {
        scope.spawn(move || outgoing.write_all(&vec![1; bytes]).expect("the bytes leave"));
        incoming.read_exact(&mut vec![0; bytes]).expect("the bytes arrive");
    });
}

/// 4 MiB at 44 MB/s and half a round trip of 40 ms are 115.3 ms, in both directions at once as in one.
fn paced(c: &mut Criterion) {
    let mut group = c.benchmark_group("wan");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let options = LinkOptions { shape: NetworkProfile::wan().shape(), ..LinkOptions::default() };
    for bytes in [SHORT, PACED] {
        let mut ends = link(&options, move |link| exchange(link, bytes));
        group.throughput(Throughput::Bytes(2 * bytes as u64));
        group.bench_function(BenchmarkId::new("both ways", bytes), |b| {
            b.iter(|| exchange(&mut ends.0, bytes).expect("an exchange"));
        });
        finish(ends);
    }
}

criterion_group!(benches, hops, rates, sockets, paced);
criterion_main!(benches);
