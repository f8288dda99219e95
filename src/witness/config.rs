use chitty_core::chain::keys::VerifierKey;
use chitty_core::secret::Secret;
use chitty_core::witness::keys::{CosignerKey, CosignerPublic};
use chitty_core::witness::server::Witness;
use chitty_edge::config::Reader;
use worker::Env;

use crate::Fault;

const KEY: &str = "WITNESS_SIGNING_KEY";
const ML_DSA_KEY: &str = "WITNESS_SIGNING_KEY_ML_DSA";

/// The witness of `WITNESS_SIGNING_KEY` and, where it is set, `WITNESS_SIGNING_KEY_ML_DSA`, of the
/// logs whose verifier keys `WITNESS_LOGS` has.
pub fn witness(env: &Env) -> Result<Witness, Fault> {
    let mut reader = Reader::new(env);
    let keys = (
        reader.required_secret(KEY),
        reader.optional_secret(ML_DSA_KEY),
    );
    let logs = reader.required("WITNESS_LOGS");
    let ((key, ml_dsa_key), logs) = reader.finish((keys, logs))?;
    let mut cosigners = vec![cosigner(KEY, &key)?];
    if let Some(key) = ml_dsa_key {
        let key = cosigner(ML_DSA_KEY, &key)?;
        if !matches!(key.verifier().public(), CosignerPublic::MlDsa44(_)) {
            return Err(format!("{ML_DSA_KEY} must be a key of type 0x06, ML-DSA-44").into());
        }
        cosigners.push(key);
    }
    let logs = logs.split_whitespace().map(str::parse::<VerifierKey>);
    let wrong = |error| format!("WITNESS_LOGS must be verifier keys, one a line: {error}");
    Ok(Witness {
        cosigners,
        logs: logs.collect::<Result<_, _>>().map_err(wrong)?,
    })
}

fn cosigner(name: &str, secret: &Secret) -> Result<CosignerKey, String> {
    CosignerKey::from_secret_text(secret.expose())
        .map_err(|error| format!("{name} must be a cosigner key: {error}"))
}
