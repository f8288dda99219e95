//! `chitty fortress serve` as its callers and its agents meet it: the real program, the real
//! sandbox. Each test has a server of its own, whose agent is a shell that runs the content.
#![cfg(target_os = "linux")]

#[cfg(test)]
mod abandoned;
#[cfg(test)]
mod api;
#[cfg(test)]
mod escapes;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod model;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod world;
