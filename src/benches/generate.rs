//! A workload of CRI lines as pods write them, the same for the same number of lines.
//!
//! 60 % applications (of these 35 % Spring, a fifth with trace ids; 25 % access lines; 25 % logrus; 15 % Python), 25 %
//! JSON, 15 % klog. One line in a hundred is split into P, P, F.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::{DateTime, Utc};
use spanline::export::deliver::retry::Random;

const PODS: u64 = 8;
/// 2026-08-22T10:15:30Z
const START_SECONDS: i64 = 1_787_393_730;

const WORDS: [&str; 40] = [
    "request",
    "order",
    "payment",
    "checkout",
    "cart",
    "user",
    "session",
    "cache",
    "database",
    "connection",
    "pool",
    "timeout",
    "retry",
    "upstream",
    "backend",
    "service",
    "handler",
    "worker",
    "queue",
    "message",
    "topic",
    "partition",
    "offset",
    "commit",
    "flush",
    "index",
    "shard",
    "replica",
    "leader",
    "follower",
    "election",
    "lease",
    "token",
    "refresh",
    "policy",
    "limit",
    "quota",
    "bucket",
    "schema",
    "result",
];

/// Writes eight pods' files below `folder/pods`.
pub(crate) fn write(folder: &Path, lines: u64) -> Result<()> {
    let mut dice = Dice(Random(42));
    for pod in 0..PODS {
        let namespace = ["shop", "default", "kube-system"][pod as usize % 3];
        let name = format!("{}-{}-{}", WORDS[pod as usize], dice.hex(9), dice.hex(5));
        let uid = dice.uid();
        let folder = folder.join(format!("pods/{namespace}_{name}_{uid}/app"));
        fs::create_dir_all(&folder)?;
        let mut file = BufWriter::new(File::create(folder.join("0.log"))?);
        let mut left = lines / PODS + u64::from(pod < lines % PODS);
        let mut nanos = START_SECONDS * 1_000_000_000 + pod as i64;
        let mut message = String::new();
        while left > 0 {
            nanos += 1000 + dice.below(2_000_000) as i64;
            let time = DateTime::from_timestamp_nanos(nanos);
            let stamp = time.format("%Y-%m-%dT%H:%M:%S%.9fZ").to_string();
            message.clear();
            dice.message(&mut message, &time, &stamp)?;
            let stream = if dice.below(10) == 0 { "stderr" } else { "stdout" };
            if left >= 3 && dice.below(100) == 0 {
                let (first, second) = (message.len() / 3, 2 * message.len() / 3);
                writeln!(file, "{stamp} {stream} P {}", &message[..first])?;
                writeln!(file, "{stamp} {stream} P {}", &message[first..second])?;
                writeln!(file, "{stamp} {stream} F {}", &message[second..])?;
                left -= 3;
            } else {
                writeln!(file, "{stamp} {stream} F {message}")?;
                left -= 1;
            }
        }
        file.flush()?;
    }
    Ok(())
}

/// The log files of a folder, in order.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.path().extension().is_some_and(|extension| extension == "log") {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// CRI lines, and records after joining.
pub(crate) fn count(folder: &Path) -> Result<(u64, u64)> {
    let (mut lines, mut records) = (0, 0);
    for path in files(folder)? {
        let mut file = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line)? > 0 {
            lines += 1;
            records += u64::from(line.split(|byte| *byte == b' ').nth(2) == Some(b"F"));
            line.clear();
        }
    }
    Ok((lines, records))
}

struct Dice(Random);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.draw() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    fn word(&mut self) -> &'static str {
        self.pick(&WORDS)
    }

    fn words(&mut self, from: u64, to: u64) -> String {
        let count = from + self.below(to - from);
        let words: Vec<&str> = (0..count).map(|_| self.word()).collect();
        words.join(" ")
    }

    fn hex(&mut self, digits: usize) -> String {
        let text = format!("{:016x}{:016x}", self.0.draw(), self.0.draw());
        text[..digits].to_owned()
    }

    fn uid(&mut self) -> String {
        let [a, b, c, d, e] = [8, 4, 3, 3, 12].map(|digits| self.hex(digits));
        format!("{a}-{b}-4{c}-a{d}-{e}")
    }

    fn address(&mut self) -> String {
        format!("10.{}.{}.{}", self.below(256), self.below(256), self.below(256))
    }

    fn message(&mut self, out: &mut String, time: &DateTime<Utc>, stamp: &str) -> Result<()> {
        match self.below(100) {
            0..60 => match self.below(100) {
                0..35 => self.spring(out, time),
                35..60 => self.access(out),
                60..85 => self.logrus(out, stamp),
                _ => self.python(out, time),
            },
            60..85 => self.json(out, stamp),
            _ => self.klog(out, time),
        }?;
        Ok(())
    }

    fn spring(&mut self, out: &mut String, time: &DateTime<Utc>) -> std::fmt::Result {
        let level = self.pick(&["INFO", "INFO", "INFO", "WARN", "ERROR", "DEBUG"]);
        write!(out, "{}  {level} 1 --- [nio-8080-exec-{}]", time.format("%Y-%m-%d %H:%M:%S%.3f"), self.below(50))?;
        if self.below(5) == 0 {
            write!(out, " [trace_id={} span_id={}]", self.hex(32), self.hex(16))?;
        }
        let (class, text, id, took) = (self.word(), self.words(6, 18), self.hex(8), self.below(2000));
        write!(out, " c.e.shop.{class}Controller : {text} id={id} took={took}ms")
    }

    fn access(&mut self, out: &mut String) -> std::fmt::Result {
        let (address, second, method) = (self.address(), self.below(60), self.pick(&["GET", "POST"]));
        write!(out, "{address} - - [22/Aug/2026:10:15:{second:02} +0000] \"{method} ")?;
        let (noun, id, user) = (self.word(), self.hex(12), self.below(99999));
        write!(out, "/api/v1/{noun}/{id}?user={user} HTTP/1.1\" ")?;
        let status = self.pick(&["200", "200", "200", "201", "304", "404", "500"]);
        let (bytes, page, millis) = (self.below(20000), self.word(), self.below(1000));
        write!(out, "{status} {bytes} \"https://shop.example.com/{page}\" \"Mozilla/5.0 (X11; Linux x86_64) ")?;
        write!(out, "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\" rt=0.{millis:03}")
    }

    fn logrus(&mut self, out: &mut String, stamp: &str) -> std::fmt::Result {
        let (level, text) = (self.pick(&["info", "info", "warning", "error"]), self.words(6, 16));
        write!(out, "time=\"{stamp}\" level={level} msg=\"{text}\"")?;
        let (component, id, address) = (self.word(), self.hex(16), self.address());
        let (whole, part, port) = (self.below(100), self.below(1000), self.below(65535));
        write!(out, " component={component} id={id} duration={whole}.{part:03}ms addr={address}:{port}")
    }

    fn python(&mut self, out: &mut String, time: &DateTime<Utc>) -> std::fmt::Result {
        let (level, logger, text) = (self.pick(&["INFO", "WARNING", "ERROR"]), self.word(), self.words(10, 30));
        write!(out, "{} {level} [{logger}] {text}", time.format("%Y-%m-%d %H:%M:%S,%3f"))
    }

    fn json(&mut self, out: &mut String, stamp: &str) -> std::fmt::Result {
        let (level, logger) = (self.pick(&["info", "info", "warn", "error"]), self.word());
        write!(out, "{{\"level\":\"{level}\",\"ts\":\"{stamp}\",\"logger\":\"{logger}\",")?;
        let (folder, file, line, text) = (self.word(), self.word(), self.below(900), self.words(4, 12));
        write!(out, "\"caller\":\"{folder}/{file}.go:{line}\",\"msg\":\"{text}\",\"http.method\":\"GET\",")?;
        let (status, whole, part) = (self.pick(&["200", "404", "500"]), self.below(500), 1 + 2 * self.below(499));
        write!(out, "\"http.status_code\":{status},\"duration_ms\":{whole}.{part:03},")?;
        let (user, tier) = (self.below(1_000_000), self.pick(&["free", "gold"]));
        write!(out, "\"user\":{{\"id\":{user},\"tier\":\"{tier}\"}}")?;
        if self.below(10) < 4 {
            write!(out, ",\"trace_id\":\"{}\",\"span_id\":\"{}\"", self.hex(32), self.hex(16))?;
        }
        out.write_char('}')
    }

    fn klog(&mut self, out: &mut String, time: &DateTime<Utc>) -> std::fmt::Result {
        let (level, pid) = (self.pick(&["I", "I", "I", "I", "W", "E"]), 1 + self.below(5000));
        let file = self.pick(&["kubelet", "reconciler_common", "pod_workers", "controller", "proxier"]);
        let (line, text) = (self.below(2000), self.words(3, 6));
        write!(out, "{level}{} {pid:7} {file}.go:{line}] \"{text}\"", time.format("%m%d %H:%M:%S%.6f"))?;
        let namespace = self.pick(&["default", "kube-system", "shop"]);
        let (pod, set, id, uid) = (self.word(), self.hex(9), self.hex(5), self.uid());
        let error = if self.below(2) == 0 { "<nil>".to_owned() } else { self.words(6, 7) };
        write!(out, " pod=\"{namespace}/{pod}-{set}-{id}\" podUID=\"{uid}\" err=\"{error}\"")
    }
}
