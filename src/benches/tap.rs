//! What the tap costs: spans passed on per CPU second, and how much later they arrive.
//!
//! `cargo bench --bench tap -- [--requests N] [--runs N] [--only throughput|latency]`
//!
//! Requests of some 512 spans of a real node (`testdata/labelled`) go through a tap, a process of its own, to a sink that
//! acknowledges them. The CPU time is that process's; the latency is the time from sending to arrival, with the tap and without.

#[allow(dead_code, reason = "shared with the other benches")]
mod measure;
#[allow(dead_code, reason = "shared with the other benches")]
mod sink;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use spanline::metrics::Metrics;
use spanline::notify::Notify;
use spanline::otlp::client::Passed;
use spanline::otlp::server::Socket;
use spanline::otlp::{Client, Compression, Content, Endpoint, Role, Signal, compress};
use spanline::spans::file::{Limits, TraceFile};
use spanline::tap::Tap;
use spanline::tap::config::{AnswerWhen, Forward, TapConfig};
use spanline::tap::consumer::{Consumer, Slot};
use tokio::task::JoinSet;

const SPANS_OF_REQUEST: u64 = 512;
/// Requests on their way at once, as from many clients.
const IN_FLIGHT: usize = 8;
/// Requests whose latency is measured, and the pause between two.
const TIMED: usize = 400;
const PAUSE: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(10);

struct Arguments {
    requests: usize,
    runs: usize,
    only: Option<String>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "role-tap") {
        return serve(&words[1], words.get(2).is_some_and(|word| word == "shown"));
    }
    let arguments = arguments(&words)?;
    let plain = request()?;
    let spans = spans_of(&plain);
    println!("a request: {spans} spans, {} bytes", plain.len());
    for (name, compression) in [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)] {
        let body = Bytes::from(compress(std::slice::from_ref(&plain), compression).concat());
        for is_shown in [false, true] {
            let shown = if is_shown { "shown to a consumer" } else { "passed on" };
            let case = Case { body: body.clone(), compression, is_shown };
            if arguments.only.as_deref() != Some("latency") {
                let mut rates = Vec::new();
                for _ in 0..arguments.runs {
                    rates.push(spans as f64 * arguments.requests as f64 / case.cpu_seconds(arguments.requests)?);
                }
                rates.sort_by(f64::total_cmp);
                let (middle, best) = (rates[rates.len() / 2], rates[rates.len() - 1]);
                println!("{name}, {shown}: {middle:.0} spans per CPU s (best {best:.0})");
            }
            if arguments.only.as_deref() != Some("throughput") {
                case.report_latency(name, shown)?;
            }
        }
    }
    Ok(())
}

fn arguments(words: &[String]) -> Result<Arguments> {
    let mut arguments = Arguments { requests: 2000, runs: 5, only: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--requests" => arguments.requests = value()?.parse()?,
            "--runs" => arguments.runs = value()?.parse()?,
            "--only" => arguments.only = Some(value()?.clone()),
            // Cargo's own.
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(arguments)
}

/// Spans of a real node, as one request.
fn request() -> Result<Bytes> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/labelled/crio/traces.otlp.jsonl.zst");
    let json = zstd::decode_all(std::fs::File::open(path)?)?;
    let mut file = TraceFile::from_reader(Box::new(std::io::Cursor::new(json)), Limits::default())?;
    let mut all = Vec::new();
    // Requests behind one another are one request.
    while spans_of(&all) < SPANS_OF_REQUEST {
        all.extend_from_slice(file.next_request()?.context("there are too few spans")?);
    }
    Ok(all.into())
}

fn spans_of(request: &[u8]) -> u64 {
    let mut spans = 0;
    spanline::otlp::wire::spans::each(request, |_| spans += 1);
    spans
}

/// Requests of one kind.
struct Case {
    body: Bytes,
    compression: Compression,
    is_shown: bool,
}

impl Case {
    fn passed(&self) -> Passed {
        Passed {
            signal: Signal::Traces,
            content: Content::Protobuf,
            compression: self.compression,
            body: self.body.clone(),
            metadata: http::HeaderMap::new(),
        }
    }

    /// CPU seconds of a tap that passes on so many requests.
    fn cpu_seconds(&self, requests: usize) -> Result<f64> {
        let (port, arrived) = arrivals()?;
        let tap = TapProcess::start(port, self.is_shown)?;
        let client = client(tap.port)?;
        let before = tap.cpu_seconds()?;
        runtime()?.block_on(async {
            let mut sends: JoinSet<Result<()>> = JoinSet::new();
            for _ in 0..requests {
                if sends.len() >= IN_FLIGHT {
                    sends.join_next().await.context("nothing under way")???;
                }
                let (client, passed) = (Arc::clone(&client), self.passed());
                sends.spawn(async move { until_taken(&client, passed).await });
            }
            while let Some(sent) = sends.join_next().await {
                sent??;
            }
            anyhow::Ok(())
        })?;
        for _ in 0..requests {
            arrived.recv_timeout(Duration::from_secs(60)).context("a request has not arrived")?;
        }
        Ok(tap.cpu_seconds()? - before)
    }

    /// From sending to arrival, and to the answer: with a tap, and without.
    fn report_latency(&self, name: &str, shown: &str) -> Result<()> {
        let (port, arrived) = arrivals()?;
        let tap = TapProcess::start(port, self.is_shown)?;
        let [mut through, mut answered] = self.timed(tap.port, &arrived)?;
        let [mut direct, _] = self.timed(port, &arrived)?;
        let quantiles = |all: &mut Vec<f64>| {
            all.sort_by(f64::total_cmp);
            (all[all.len() / 2], all[all.len() * 99 / 100])
        };
        let (through, direct, answered) = (quantiles(&mut through), quantiles(&mut direct), quantiles(&mut answered));
        println!(
            "{name}, {shown}: arrives after {:.2} ms (p99 {:.2}), without a tap {:.2} (p99 {:.2}); answered after {:.2} (p99 {:.2})",
            through.0, through.1, direct.0, direct.1, answered.0, answered.1
        );
        Ok(())
    }

    fn timed(&self, port: u16, arrived: &Receiver<Instant>) -> Result<[Vec<f64>; 2]> {
        let client = client(port)?;
        let runtime = runtime()?;
        let (mut arrivals, mut answers) = (Vec::new(), Vec::new());
        // The first ones make connections.
        for number in 0..TIMED + 10 {
            let start = Instant::now();
            runtime.block_on(until_taken(&client, self.passed()))?;
            let answer = start.elapsed();
            let arrival = arrived.recv_timeout(Duration::from_secs(60)).context("it has not arrived")? - start;
            if number >= 10 {
                arrivals.push(arrival.as_secs_f64() * 1e3);
                answers.push(answer.as_secs_f64() * 1e3);
            }
            std::thread::sleep(PAUSE);
        }
        Ok([arrivals, answers])
    }
}

/// A tap whose queue is full says so; then it is sent again.
async fn until_taken(client: &Client, passed: Passed) -> Result<()> {
    loop {
        match client.pass_on(LIMIT, passed.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.to_string().contains("queue is full") => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A sink, and when requests arrive there.
fn arrivals() -> Result<(u16, Receiver<Instant>)> {
    let (give, take) = channel();
    let give = Mutex::new(give);
    let port = sink::listen(Arc::new(move |_, _| {
        let now = Instant::now();
        let give = give.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Nobody listens any more once all have arrived.
        let _ = give.send(now);
    }))?;
    Ok((port, take))
}

fn endpoint(port: u16, signal: Signal) -> Result<Endpoint> {
    let endpoint = Endpoint::from_url(&format!("http://127.0.0.1:{port}"), signal, &|_| None)?;
    Ok(Endpoint { role: Role::Forward, ..endpoint })
}

fn client(port: u16) -> Result<Arc<Client>> {
    Ok(Arc::new(Client::new(endpoint(port, Signal::Traces)?)?))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// A tap as a process; it ends when this is dropped.
struct TapProcess {
    port: u16,
    child: Child,
}

impl TapProcess {
    fn start(to: u16, is_shown: bool) -> Result<TapProcess> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["role-tap", &to.to_string(), if is_shown { "shown" } else { "not" }]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(TapProcess { port: line.trim().parse()?, child })
    }

    /// User and system time.
    fn cpu_seconds(&self) -> Result<f64> {
        let mut run = measure::Run::default();
        measure::has_ended(&self.child, &mut run)?;
        Ok(run.user + run.system)
    }
}

impl Drop for TapProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Whether it ends in order is not measured.
        let _ = self.child.wait();
    }
}

/// Lets everything go as it came.
struct LetsGo;

impl Consumer for LetsGo {
    fn arrived(&self, _: Signal, request: Bytes, slot: Slot) {
        std::hint::black_box(request);
        slot.release(None, None);
    }
}

/// The process's own side.
fn serve(to: &str, is_shown: bool) -> Result<()> {
    let to: u16 = to.parse()?;
    let forward = Signal::ALL.map(|signal| endpoint(to, signal).map(|endpoint| (signal, endpoint)));
    let config = TapConfig {
        grpc: "127.0.0.1:0".parse().ok(),
        http: None,
        unix: None,
        tls: None,
        token: None,
        forward: vec![Forward { endpoints: forward.into_iter().collect::<Result<_>>()? }],
        queue_bytes: 32 << 20,
        spill_bytes: None,
        answer: AnswerWhen::Accepted,
        hold: Duration::from_millis(500),
        hold_logs: Duration::ZERO,
        late_events: false,
        about_events: true,
    };
    let (metrics, state) = (Arc::new(Metrics::new(Instant::now())), tempfile::tempdir()?);
    let notify: Notify = Arc::new(|text: &str| eprintln!("{text}"));
    let consumer: Option<Arc<dyn Consumer>> = if is_shown { Some(Arc::new(LetsGo)) } else { None };
    let tap = Tap::start(&config, state.path(), (&metrics, &notify), consumer)?;
    let Some(Socket::Tcp(address)) = tap.listening().first() else { bail!("it does not listen") };
    println!("{}", address.port());
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    tap.end_by(Instant::now() + Duration::from_secs(2));
    tap.finish()?;
    Ok(())
}
