//! Replays the fixed vectors of npm `test-secret-handshake` against the handshake:
//! `cargo run --example shs_vectors -- node_modules/test-secret-handshake/data.json`.
//!
//! A vector is one call of a function of npm `secret-handshake` 1.1, `{name, args, result}` with bytes as hexadecimal text
//! and `null` for a refusal. The calls of one ephemeral key are one run of one role in the order of the protocol, so each
//! run is fed to a machine of its own, whose output, refusals and outcome must be those of the vectors. Nothing inside
//! of the machine is looked at: every secret of the vectors decides some byte of what it says.

use bytes::Bytes;
use push_mux::secret::{Handshake, Keypair, NetworkKey, Outcome, Progress, PublicKey};
use serde_json::Value;
use std::{collections::HashMap, env, fs, process::ExitCode};

type Checked = Result<(), String>;

const CHALLENGE_BYTES: usize = 64;
const NONCE_BYTES: usize = 24;

fn main() -> ExitCode {
    let Some(path) = env::args().nth(1) else {
        eprintln!("usage: shs_vectors PATH-OF-DATA.JSON");
        return ExitCode::from(2);
    };
    match check(&path) {
        Ok(vectors) => {
            println!("{vectors} vectors hold");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn check(path: &str) -> Result<usize, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let vectors: Vec<Value> = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let mut runs = HashMap::new();
    for (index, vector) in vectors.iter().enumerate() {
        let name = vector["name"].as_str().unwrap_or("a vector without a name");
        replay(&mut runs, name, vector).map_err(|wrong| format!("vector {index}, {name}: {wrong}"))?;
    }
    Ok(vectors.len())
}

/// One role in one handshake.
struct Run {
    machine: Handshake,
    is_client: bool,
    outcome: Option<Outcome>,
}

fn replay(runs: &mut HashMap<String, Run>, name: &str, vector: &Value) -> Checked {
    let (state, packet, result) = (&vector["args"][0], &vector["args"][1], &vector["result"]);
    if name == "toKeys" {
        return to_keys(state, result);
    }
    let id = state["local"]["kx_pk"].as_str().ok_or("no ephemeral key")?.to_owned();
    if name == "initialize" {
        runs.insert(id, initialize(state, result)?);
        return Ok(());
    }
    let run = runs.get_mut(&id).ok_or("a run that did not begin")?;
    match name {
        "createChallenge" if run.is_client => {
            same("challenge", &challenge(&state["local"])?, &decode(result)?)
        }
        "createChallenge" | "clientCreateAuth" => run.said(&decode(result)?),
        // A client's part of it is within clientVerifyChallenge.
        "verifyChallenge" if run.is_client => Ok(()),
        "verifyChallenge" | "clientVerifyChallenge" => match run.hear(packet, result)? {
            None | Some(Progress::NeedsMore) => Ok(()),
            Some(_) => Err("the handshake goes on too soon".to_owned()),
        },
        "serverVerifyAuth" => match run.hear(packet, result)? {
            None => Ok(()),
            Some(Progress::Authorise(key)) => {
                same("the client's key", &key.0, &decode(&result["remote"]["publicKey"])?)
            }
            Some(_) => Err("nobody is asked whether the client may come in".to_owned()),
        },
        "serverCreateAccept" => {
            run.outcome = Some(run.machine.accept().ok_or("there is nobody to accept")?);
            run.said(&decode(result)?)
        }
        "clientVerifyAccept" => match run.hear(packet, result)? {
            None => Ok(()),
            Some(Progress::Done(outcome)) => {
                run.outcome = Some(outcome);
                Ok(())
            }
            Some(_) => Err("the handshake is not done".to_owned()),
        },
        "clean" => finished(run.outcome.as_ref().ok_or("the handshake is not done")?, result),
        _ => Err("an unknown function".to_owned()),
    }
}

/// Begins a run. A state that knows whom it talks to is a client's. The client's challenge comes out at once.
fn initialize(state: &Value, result: &Value) -> Result<Run, String> {
    let network = NetworkKey::new(bytes(&state["app_key"])?);
    let secret = bytes(&state["local"]["secretKey"])?;
    let keys = Keypair::from_secret(&secret).ok_or("halves of a key that do not belong together")?;
    same("our key", &keys.public().0, &decode(&state["local"]["publicKey"])?)?;
    // What npm draws is the seed of an Ed25519 key, which it turns into this scalar.
    let scalar = bytes(&state["local"]["kx_sk"])?;
    let Some(server) = state["remote"].get("publicKey") else {
        let machine = Handshake::server(&network, &keys, &scalar);
        return Ok(Run { machine, is_client: false, outcome: None });
    };
    let machine = Handshake::client(&network, &keys, &PublicKey(bytes(server)?), &scalar);
    let machine = machine.map_err(|error| error.to_string())?;
    let mut run = Run { machine, is_client: true, outcome: None };
    run.said(&challenge(&result["local"])?)?;
    Ok(run)
}

impl Run {
    /// Feeds a packet; the machine must refuse it exactly when npm did. `None` is a refusal.
    fn hear(&mut self, packet: &Value, result: &Value) -> Result<Option<Progress>, String> {
        let mut packet = Bytes::from(decode(packet)?);
        match (self.machine.handle(&mut packet), result.is_null()) {
            (Err(_), true) => self.said(&[]).map(|()| None),
            (Ok(_), true) => Err("a packet was accepted that must be refused".to_owned()),
            (Err(error), false) => Err(format!("a good packet was refused: {error}")),
            (Ok(progress), false) if packet.is_empty() => Ok(Some(progress)),
            (Ok(_), false) => Err(format!("{} bytes of a packet are left", packet.len())),
        }
    }

    fn said(&mut self, expected: &[u8]) -> Checked {
        same("output", &self.machine.take_output(), expected)
    }
}

fn challenge(local: &Value) -> Result<[u8; CHALLENGE_BYTES], String> {
    let mac: [u8; 32] = bytes(&local["app_mac"])?;
    let key: [u8; 32] = bytes(&local["kx_pk"])?;
    let mut challenge = [0; CHALLENGE_BYTES];
    challenge[..32].copy_from_slice(&mac);
    challenge[32..].copy_from_slice(&key);
    Ok(challenge)
}

/// The keys are those of the cleaned state. Each nonce is the beginning of what its reader sent as its mac.
fn finished(outcome: &Outcome, state: &Value) -> Checked {
    let nonce = |side: &str| decode(&state[side]["app_mac"]).map(|mac| mac[..NONCE_BYTES].to_vec());
    let parts =
        [decode(&state["encryptKey"])?, nonce("remote")?, decode(&state["decryptKey"])?, nonce("local")?];
    same("outcome", outcome.to_bytes().as_ref(), &parts.concat())?;
    same("the peer's key", &outcome.peer.0, &decode(&state["remote"]["publicKey"])?)
}

/// `toKeys` takes a seed, or a key pair that it gives back.
fn to_keys(given: &Value, result: &Value) -> Checked {
    let keys = if given.is_string() {
        Keypair::from_seed(&bytes(given)?)
    } else {
        Keypair::from_secret(&bytes(&given["secretKey"])?)
            .ok_or("halves of a key that do not belong together")?
    };
    same("public key", &keys.public().0, &decode(&result["publicKey"])?)?;
    same("secret key", &keys.to_secret(), &decode(&result["secretKey"])?)
}

fn same(what: &str, ours: &[u8], theirs: &[u8]) -> Checked {
    if ours == theirs {
        return Ok(());
    }
    Err(format!("{what} is {}, not {}", encode(ours), encode(theirs)))
}

fn bytes<const N: usize>(value: &Value) -> Result<[u8; N], String> {
    decode(value)?.try_into().map_err(|wrong: Vec<u8>| format!("{} bytes instead of {N}", wrong.len()))
}

fn decode(value: &Value) -> Result<Vec<u8>, String> {
    let wrong = || format!("no hexadecimal text: {value}");
    let digits = value.as_str().ok_or_else(wrong)?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.chunks(2).map(byte).collect::<Option<_>>().ok_or_else(wrong)
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
