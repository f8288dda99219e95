use chitty_core::chain::keys::VerifierKey;
use chitty_core::witness::keys::CosignerKey;
use chitty_core::witness::server::Witness;
use chitty_edge::config::Reader;
use worker::Env;

use crate::Fault;

/// The witness of `WITNESS_SIGNING_KEY`, of the logs whose verifier keys `WITNESS_LOGS` has.
pub fn witness(env: &Env) -> Result<Witness, Fault> {
    let mut reader = Reader::new(env);
    let key = reader.required_secret("WITNESS_SIGNING_KEY");
    let logs = reader.required("WITNESS_LOGS");
    let (key, logs) = reader.finish((key, logs))?;
    let logs = logs.split_whitespace().map(str::parse::<VerifierKey>);
    let wrong = |error| format!("WITNESS_LOGS must be verifier keys, one a line: {error}");
    Ok(Witness {
        key: CosignerKey::from_secret_text(key.expose())
            .map_err(|error| format!("WITNESS_SIGNING_KEY must be a cosigner key: {error}"))?,
        logs: logs.collect::<Result<_, _>>().map_err(wrong)?,
    })
}
