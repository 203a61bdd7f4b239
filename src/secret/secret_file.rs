//! The text of the file that keeps an identity, `~/.ssb/secret`, as npm `ssb-keys` 8.5 writes and reads it.

use super::{KEY_BYTES, Keypair, PublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, fmt::Write};
use zeroize::Zeroizing;

const CURVE: &str = "ed25519";
const SUFFIX: &str = ".ed25519";

/// Room for the text that we print, warning and all.
const FILE_BYTES: usize = 1024;

/// Why the text of a secret file holds no identity. Shows nothing of the text but the curve's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// Nothing is left without the comments.
    #[error("it holds nothing but comments")]
    Empty,
    /// What is left is no JSON object.
    #[error("without its comments it is no JSON object")]
    Json,
    /// A field is missing or no string.
    #[error("its field {0:?} is missing or no string")]
    Field(&'static str),
    /// The identity is of another kind.
    #[error("its curve is {0:?}, not \"ed25519\"")]
    Curve(String),
    /// Not a public key as base64 with the suffix `.ed25519`.
    #[error("its field \"public\" is not 32 bytes of base64 with the suffix .ed25519")]
    Public,
    /// Not a secret key as base64 with the suffix `.ed25519`.
    #[error("its field \"private\" is not 64 bytes of base64 with the suffix .ed25519")]
    Private,
    /// The fields belong to different identities.
    #[error("its fields \"private\", \"public\" and \"id\" do not belong together")]
    Mismatch,
}

impl Keypair {
    /// Reads the text of a secret file: JSON with the fields `curve`, `public`, `private` and `id`, and comments from any
    /// `#` to the end of its line. As `ssb-keys` does, takes an `id` without a sigil for none, keys without the suffix
    /// for ed25519, and the curve from the suffix of `public` where the field is missing.
    ///
    /// # Errors
    /// [`SecretFileError`] says what is wrong, and shows no secret.
    pub fn from_secret_file(text: &[u8]) -> Result<Self, SecretFileError> {
        let json = without_comments(text);
        if json.trim().is_empty() {
            return Err(SecretFileError::Empty);
        }
        // Raw values borrow from the text, so no copy of the secret is left behind.
        let fields: Fields<'_> = serde_json::from_str(&json).map_err(|_| SecretFileError::Json)?;
        check_curve(&fields)?;
        let public = string(&fields, "public").ok_or(SecretFileError::Field("public"))?;
        let public = PublicKey::from_base64(unsuffixed(&public)).ok_or(SecretFileError::Public)?;
        let private = string(&fields, "private").ok_or(SecretFileError::Field("private"))?;
        let keypair = from_private(unsuffixed(&private))?;
        let id = string(&fields, "id").filter(|id| id.starts_with(['@', '%', '&']));
        let is_of_id = id.is_none_or(|id| id.parse() == Ok(public));
        if keypair.public() != public || !is_of_id {
            return Err(SecretFileError::Mismatch);
        }
        Ok(keypair)
    }

    /// The text of a secret file, with a warning. Wiped on drop.
    #[must_use]
    pub fn to_secret_file(&self) -> Zeroizing<String> {
        let public = self.public();
        let secret = Zeroizing::new(self.to_secret());
        let private = Zeroizing::new(STANDARD.encode(secret.as_ref()));
        // Long enough from the start: a string that grows leaves copies that nobody wipes.
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES));
        text.push_str(
            "# This file IS your identity: whoever can read it can speak in your name, and nobody can take it\n\
             # back. Show it to no one. Keep it on one device: two that write with it fork your feed, and your\n\
             # friends will then no longer fetch what you write. Your public name is the line \"id\".\n",
        );
        let id = public.to_string();
        let public = public.to_base64();
        let fields = [("curve", CURVE, ""), ("public", &public, SUFFIX), ("private", &private, SUFFIX)];
        text.push_str("{\n");
        for (name, value, suffix) in fields {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  \"{name}\": \"{value}{suffix}\",");
        }
        let _ = writeln!(text, "  \"id\": \"{id}\"\n}}");
        text
    }
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Leaves out each `#` with the rest of its line, and then the line ends, which is what `ssb-keys` hands to its JSON parser.
/// Bytes beyond ASCII can stand in comments only.
fn without_comments(text: &[u8]) -> Zeroizing<String> {
    let mut json = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.split(|byte| *byte == b'\n') {
        let code = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        json.extend(code.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }));
    }
    json
}

/// A field that is a string. The only escape in what we look for is `\/`, which some encoders write.
fn string(fields: &Fields<'_>, name: &str) -> Option<Zeroizing<String>> {
    let text = fields.get(name)?.get().strip_prefix('"')?.strip_suffix('"')?;
    // As long as it can get, so that it does not grow.
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    for (at, piece) in text.split("\\/").enumerate() {
        plain.push_str(if at == 0 { "" } else { "/" });
        plain.push_str(piece);
    }
    Some(plain)
}

fn unsuffixed(text: &str) -> &str {
    text.strip_suffix(SUFFIX).unwrap_or(text)
}

fn check_curve(fields: &Fields<'_>) -> Result<(), SecretFileError> {
    let curve = match string(fields, "curve") {
        Some(curve) => curve,
        None => {
            let public = string(fields, "public").ok_or(SecretFileError::Field("public"))?;
            let (_, suffix) = public.split_once('.').ok_or(SecretFileError::Field("curve"))?;
            Zeroizing::new(suffix.to_owned())
        }
    };
    if *curve == CURVE {
        return Ok(());
    }
    // Of something that is no name, such as a key in the wrong field, nothing is shown.
    let is_name = curve.len() <= 16 && curve.chars().all(|c| c.is_ascii_alphanumeric());
    Err(SecretFileError::Curve(if is_name { curve.to_string() } else { "?".to_owned() }))
}

fn from_private(base64: &str) -> Result<Keypair, SecretFileError> {
    // The decoder counts a group of four characters as three bytes, padding too.
    let mut decoded = Zeroizing::new([0; 2 * KEY_BYTES + 2]);
    let length = STANDARD.decode_slice(base64, decoded.as_mut()).map_err(|_| SecretFileError::Private)?;
    let mut secret = Zeroizing::new([0; 2 * KEY_BYTES]);
    let bytes = decoded.get(..length).filter(|bytes| bytes.len() == secret.len());
    secret.copy_from_slice(bytes.ok_or(SecretFileError::Private)?);
    Keypair::from_secret(&secret).ok_or(SecretFileError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // The fields are what `ssb-keys` 8.5.0 writes for the seed of 32 ones; the comments are ours.
    const FILE: &str = r##"# first
   # second, indented
{
  "curve": "ed25519", # behind a field
  "public": "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=.ed25519",
# between fields "private": "x",
  "private": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQGKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXA==.ed25519",
  "id": "@iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=.ed25519"
}
# last"##;
    const PUBLIC: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";
    const PRIVATE: &str =
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQGKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXA==";
    const CURVE_FIELD: &str = "\"curve\": \"ed25519\",";

    fn read(text: &str) -> Result<PublicKey, SecretFileError> {
        Keypair::from_secret_file(text.as_bytes()).map(|keypair| keypair.public())
    }

    #[test]
    fn a_file_of_javascript_is_read() {
        let expected = Keypair::from_seed(&[1; 32]).public();
        assert_eq!(read(FILE), Ok(expected));
        for (what, text) in [
            ("other line ends", FILE.replace('\n', "\r\n")),
            ("no suffixes", FILE.replace("=.ed25519\",", "=\",")),
            ("the curve from a suffix", FILE.replace(CURVE_FIELD, "")),
            ("no id", FILE.replace("\"id\": ", "\"name\": ")),
            ("an id without sigil", FILE.replace("\"@iojj", "\"ssb:feed/bendybutt-v1/iojj")),
            ("an unknown field", FILE.replace("\"curve\"", "\"more\": [1, {\"a\": null}], \"curve\"")),
            ("a string over two lines", FILE.replacen("AQEBAQEBAQ", "AQEBAQ\nEBAQ", 1)),
        ] {
            assert_ne!(text, FILE, "{what}");
            assert_eq!(read(&text), Ok(expected), "{what}");
        }
        // Latin-1 in a comment.
        let mut bytes = b"# \xe9\xff \xc3\n".to_vec();
        bytes.extend_from_slice(FILE.as_bytes());
        assert_eq!(Keypair::from_secret_file(&bytes).expect("it is read").public(), expected);
    }

    #[test]
    fn escaped_slashes_are_read() {
        let keypair = (0..=u8::MAX).map(|byte| Keypair::from_seed(&[byte; 32]));
        let mut with_slash = keypair.filter(|keypair| keypair.to_secret_file().contains('/'));
        let keypair = with_slash.next().expect("one of them has a slash");
        let text = keypair.to_secret_file().replace('/', "\\/");
        assert_eq!(read(&text), Ok(keypair.public()));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_without_secrets() {
        use SecretFileError as E;
        let other = PublicKey([7; 32]).to_base64();
        let of_nine = STANDARD.encode(Keypair::from_seed(&[9; 32]).to_secret());
        let curve = |curve: &str| FILE.replace(CURVE_FIELD, &format!("\"curve\": \"{curve}\","));
        for (text, expected) in [
            (String::new(), E::Empty),
            ("# only\n  # comments\n\n".to_owned(), E::Empty),
            (PRIVATE.to_owned(), E::Json),
            (format!("\"{PRIVATE}\""), E::Json),
            (format!("[\"{PRIVATE}\"]"), E::Json),
            (FILE.replace('}', ""), E::Json),
            (curve("k256"), E::Curve("k256".to_owned())),
            (curve(PRIVATE), E::Curve("?".to_owned())),
            (FILE.replace(CURVE_FIELD, "").replace(".ed25519", ".k256"), E::Curve("k256".to_owned())),
            (FILE.replace(CURVE_FIELD, "").replace(".ed25519", ""), E::Field("curve")),
            (FILE.replace("\"public\"", "\"publik\""), E::Field("public")),
            (FILE.replace("  \"private\"", "  \"privat\""), E::Field("private")),
            (FILE.replace("  \"private\": ", "  \"private\": 1, \"x\": "), E::Field("private")),
            (FILE.replace(PRIVATE, PUBLIC), E::Private),
            (FILE.replace("A==", "B=="), E::Private),
            (FILE.replace("9vXA==", "9v"), E::Private),
            (FILE.replacen("b1w=", "b1x=", 1), E::Public),
            (FILE.replacen(PUBLIC, &other, 1), E::Mismatch),
            (FILE.replace(&format!("@{PUBLIC}"), &format!("@{other}")), E::Mismatch),
            (FILE.replace(&format!("@{PUBLIC}"), &format!("%{PUBLIC}")), E::Mismatch),
            // One half of the secret changed; then all of it, so that it belongs to somebody else.
            (FILE.replacen("AQEB", "AQEC", 1), E::Mismatch),
            (FILE.replace(PRIVATE, &of_nine), E::Mismatch),
        ] {
            let error = read(&text).expect_err(&text);
            assert_eq!(error, expected, "{text}");
            let told = format!("{error} {error:?}");
            assert!(!told.contains("AQEB"), "{told}");
        }
    }

    proptest! {
        #[test]
        fn what_we_print_reads_back(seed in any::<[u8; 32]>()) {
            let keypair = Keypair::from_seed(&seed);
            let text = keypair.to_secret_file();
            prop_assert_eq!(text.capacity(), FILE_BYTES, "a string that grows leaves secrets behind");
            prop_assert!(text.is_ascii(), "JavaScript reads it as ASCII");
            let read = Keypair::from_secret_file(text.as_bytes());
            prop_assert_eq!(read.map(|read| read.to_secret()), Ok(keypair.to_secret()));
        }

        #[test]
        fn no_bytes_panic(at in 0..FILE.len(), to in any::<u8>(), cut in 0..FILE.len()) {
            let mut bytes = FILE.as_bytes().to_vec();
            bytes[at] = to;
            let ours = Keypair::from_seed(&[1; 32]).public();
            for bytes in [&bytes[..], &bytes[..cut], &bytes[cut..]] {
                if let Ok(keypair) = Keypair::from_secret_file(bytes) {
                    prop_assert_eq!(keypair.public(), ours);
                }
            }
        }
    }
}
