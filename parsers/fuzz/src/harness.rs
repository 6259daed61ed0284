//! Seeds, changed at random, given to a target for some seconds.
//!
//! In go `SECONDS` and folders or files, each line of which is a seed; out come calls of the target. The random numbers are
//! the same in each run, so that what a run found is found again by one that lasts as long.

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Inputs are no longer: what is slow or deep shows in less.
const INPUT_BYTES_MAX: usize = 4096;
/// Seeds are kept up to here; of more files, the first ones.
const SEEDS_MAX: usize = 50_000;
/// The clock is looked at once per so many inputs.
const INPUTS_PER_LOOK: u32 = 64;
/// What grammars turn on, for changes that a single byte does not make.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"=",
    b":",
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\xff",
    b"%!",
    b"<\n\t",
    b"\n >",
    b"//",
    b"goroutine 1 [x]:\n",
    b"I0102 15:04:05.067890       1 a.go:12] ",
    b"0x",
    b"-1",
    b"99999999999999999999",
    b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
];

/// Runs a target for the seconds and seeds that the arguments name.
pub fn run(target: impl Fn(&[u8])) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let seconds = arguments.next().and_then(|text| text.to_str()?.parse().ok());
    let Some(seconds) = seconds else {
        eprintln!("usage: TARGET SECONDS [FOLDER|FILE]…");
        return ExitCode::from(2);
    };
    let mut seeds = HashSet::new();
    for path in arguments {
        if let Err(error) = read_seeds(Path::new(&path), &mut seeds) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::from(2);
        }
    }
    let mut seeds: Vec<Vec<u8>> = seeds.into_iter().collect();
    seeds.sort_unstable();
    match run_for(Duration::from_secs(seconds), &seeds, target) {
        Ok(inputs) => {
            println!("{inputs} inputs from {} seeds", seeds.len());
            ExitCode::SUCCESS
        }
        Err(input) => {
            eprintln!("the target panicked at b\"{}\"", input.escape_ascii());
            ExitCode::FAILURE
        }
    }
}

/// Calls the target with every seed, then with changed ones until time is up; the input where it panicked.
fn run_for(time: Duration, seeds: &[Vec<u8>], target: impl Fn(&[u8])) -> Result<u64, Vec<u8>> {
    let (start, mut inputs) = (Instant::now(), 0);
    let mut call = |input: &[u8]| {
        inputs += 1;
        catch_unwind(AssertUnwindSafe(|| target(input))).map_err(|_| input.to_vec())
    };
    for seed in seeds {
        call(seed)?;
    }
    let mut random = Random(0);
    let empty = Vec::new();
    while start.elapsed() < time {
        for _ in 0..INPUTS_PER_LOOK {
            let mut input = random.one_of(seeds).unwrap_or(&empty).clone();
            for _ in 0..=random.below(4) {
                change(&mut input, seeds, &mut random);
            }
            input.truncate(INPUT_BYTES_MAX);
            call(&input)?;
        }
    }
    Ok(inputs)
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(7) {
        0 => input.insert(at, random.below(256) as u8),
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        2 => drop(input.splice(at..at, random.one_of(&PIECES).copied().unwrap_or_default().iter().copied())),
        3 => input.truncate(at),
        4 => drop(input.drain(at..(at + random.below(16)).min(input.len()).max(at))),
        5 => {
            let again = input[at..(at + random.below(64)).min(input.len())].repeat(1 + random.below(8));
            drop(input.splice(at..at, again));
        }
        _ => {
            if let Some(other) = random.one_of(seeds) {
                let from = random.below(other.len() + 1);
                drop(input.splice(at.., other[from..].iter().copied()));
            }
        }
    }
}

/// Each line of each text file is a seed.
fn read_seeds(path: &Path, seeds: &mut HashSet<Vec<u8>>) -> std::io::Result<()> {
    if path.is_dir() {
        let mut inside: Vec<PathBuf> =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        inside.sort();
        return inside.iter().try_for_each(|path| read_seeds(path, seeds));
    }
    for line in fs::read(path)?.split(|byte| *byte == b'\n').filter(|line| line.len() <= INPUT_BYTES_MAX) {
        if seeds.len() < SEEDS_MAX {
            seeds.insert(line.to_vec());
        }
    }
    Ok(())
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`.
    fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound.max(1) as u64) as usize
    }

    fn one_of<'t, T>(&mut self, list: &'t [T]) -> Option<&'t T> {
        list.get(self.below(list.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_panics_is_told() {
        let seeds = [b"abc".to_vec(), b"x".to_vec()];
        let found = run_for(Duration::from_secs(3600), &seeds, |input| assert!(!input.contains(&b'"')));
        assert!(found.unwrap_err().contains(&b'"'));
        assert_eq!(run_for(Duration::ZERO, &seeds, |_| ()), Ok(2));
    }
}
