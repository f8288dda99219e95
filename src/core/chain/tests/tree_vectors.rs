//! The eight-leaf tree of the Certificate Transparency reference tests.

use super::super::hash::Hash;
use super::super::tree::{consistency_proof, inclusion_proof, root};
use super::super::verify::{verify_consistency, verify_inclusion};
use super::memory::MemoryTree;

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const H0: &str = ROOTS[1];
const H1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const H4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const H6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const H23: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const H45: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const H67: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const H4567: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

fn hash(hex: &str) -> Hash {
    Hash::from_hex(hex).unwrap()
}

fn hashes(hex: &[&str]) -> Vec<Hash> {
    hex.iter().map(|hex| hash(hex)).collect()
}

fn tree() -> MemoryTree {
    MemoryTree::of_entries(&LEAVES.map(|leaf| hex::decode(leaf).unwrap()))
}

#[test]
fn roots_of_all_sizes() {
    for (size, expected) in (0..).zip(ROOTS) {
        assert_eq!(root(&tree(), size).unwrap(), hash(expected), "size {size}");
    }
}

#[test]
fn inclusion_proofs() {
    let cases: [(u64, u64, &[&str]); 6] = [
        (0, 1, &[]),
        (0, 8, &[H1, H23, H4567]),
        (5, 8, &[H4, H67, ROOTS[4]]),
        (2, 3, &[ROOTS[2]]),
        (1, 5, &[H0, H23, H4]),
        (6, 7, &[H45, ROOTS[4]]),
    ];
    let tree = tree();
    for (index, size, path) in cases {
        let path = hashes(path);
        assert_eq!(inclusion_proof(&tree, index, size).unwrap(), path);
        let leaf = tree.leaves[usize::try_from(index).unwrap()];
        let root = hash(ROOTS[usize::try_from(size).unwrap()]);
        verify_inclusion(&leaf, index, size, &path, &root).unwrap();
    }
}

#[test]
fn consistency_proofs() {
    let cases: [(usize, usize, &[&str]); 6] = [
        (0, 8, &[]),
        (1, 1, &[]),
        (1, 8, &[H1, H23, H4567]),
        (6, 8, &[H45, H67, ROOTS[4]]),
        (2, 5, &[H23, H4]),
        (6, 7, &[H45, H6, ROOTS[4]]),
    ];
    for (first, second, path) in cases {
        let path = hashes(path);
        let (older, newer) = (hash(ROOTS[first]), hash(ROOTS[second]));
        let (first, second) = (first as u64, second as u64);
        assert_eq!(consistency_proof(&tree(), first, second).unwrap(), path);
        verify_consistency(first, second, &path, &older, &newer).unwrap();
    }
}
