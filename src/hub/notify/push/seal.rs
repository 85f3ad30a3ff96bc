//! Sealing a message for one browser: RFC 8291 over RFC 8188's `aes128gcm`, one record without padding.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Browsers write base64url without padding, some libraries with.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const SALT: usize = 16;
const POINT: usize = 65;
/// The record size that is announced, and the most that push services take.
const RECORD: usize = 4096;
/// The most that one message may say, in bytes: a record without its header, its tag and its last byte.
pub(super) const MOST: usize = RECORD - (SALT + 4 + 1 + POINT) - 16 - 1;

/// Whom to seal for: the two keys of a browser's subscription.
#[derive(Clone, Debug)]
pub(super) struct Recipient {
    public: Vec<u8>,
    auth: Vec<u8>,
}

impl Recipient {
    /// Reads `p256dh` and `auth` as browsers write them.
    pub(super) fn new(p256dh: &str, auth: &str) -> Result<Self, String> {
        let decoded = |text: &str| BASE64.decode(text).ok();
        let public = decoded(p256dh).filter(|point| point.len() == POINT && point.first() == Some(&4));
        let auth = decoded(auth).filter(|auth| auth.len() == 16);
        let recipient = Self {
            public: public.ok_or_else(|| "keys.p256dh is not an uncompressed point of P-256".to_owned())?,
            auth: auth.ok_or_else(|| "keys.auth is not 16 bytes".to_owned())?,
        };
        // A point beside the curve is found only by using it.
        recipient.seal(b"").map_err(|_| "keys.p256dh is not a point of P-256".to_owned())?;
        Ok(recipient)
    }

    /// The body of the request to the push service; different each time.
    pub(super) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
        if plain.len() > MOST {
            return Err(Unspecified);
        }
        let random = SystemRandom::new();
        let mut salt = [0; SALT];
        random.fill(&mut salt)?;
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &random)?;
        let sender = private.compute_public_key()?;
        let theirs = UnparsedPublicKey::new(&ECDH_P256, &self.public);
        agree_ephemeral(private, &theirs, |shared| self.record(shared, sender.as_ref(), &salt, plain))?
    }

    /// Everything but chance: header and ciphertext.
    fn record(&self, shared: &[u8], sender: &[u8], salt: &[u8], plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut material = [0; 32];
        let who = [b"WebPush: info\0".as_slice(), &self.public, sender];
        expand(&self.auth, shared, &who, &mut material)?;
        let (mut key, mut nonce) = ([0; 16], [0; NONCE_LEN]);
        expand(salt, &material, &[b"Content-Encoding: aes128gcm\0"], &mut key)?;
        expand(salt, &material, &[b"Content-Encoding: nonce\0"], &mut nonce)?;

        // The last record ends with a two.
        let mut sealed = [plain, &[2]].concat();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)?;
        let size = u32::try_from(RECORD).map_err(|_| Unspecified)?.to_be_bytes();
        let length = [u8::try_from(sender.len()).map_err(|_| Unspecified)?];
        Ok([salt, &size, &length, sender, &sealed].concat())
    }
}

/// So many bytes of key material.
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF with SHA-256, extract and expand.
fn expand(salt: &[u8], secret: &[u8], info: &[&[u8]], into: &mut [u8]) -> Result<(), Unspecified> {
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    prk.expand(info, Bytes(into.len()))?.fill(into)
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn the_example_of_rfc_8291_comes_out_to_the_byte() {
        let bytes = |text: &str| BASE64.decode(text).unwrap();
        let recipient = Recipient::new(P256DH, AUTH).unwrap();
        let shared = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let sender = bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
        let plain = b"When I grow up, I want to be a watermelon";
        let body = recipient.record(&shared, &sender, &salt, plain).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz\
                        AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(body, bytes(expected));
    }

    #[test]
    fn no_two_messages_share_a_key_and_none_is_longer_than_a_push_service_takes() {
        let recipient = Recipient::new(P256DH, AUTH).unwrap();
        let (one, other) = (recipient.seal(&[7; MOST]).unwrap(), recipient.seal(&[7; MOST]).unwrap());
        assert_eq!(one.len(), 4096);
        assert_ne!(one[..SALT], other[..SALT]);
        assert_ne!(one[SALT + 5..SALT + 5 + POINT], other[SALT + 5..SALT + 5 + POINT]);
        assert!(recipient.seal(&[7; MOST + 1]).is_err());
    }

    #[test]
    fn keys_that_are_none_are_named() {
        let beside_the_curve = BASE64.encode([[4].as_slice(), &[1; 64]].concat());
        for (p256dh, auth, part) in [
            ("", AUTH, "p256dh"),
            ("BCVx", AUTH, "p256dh"),
            ("not base64!", AUTH, "p256dh"),
            (beside_the_curve.as_str(), AUTH, "p256dh"),
            (P256DH, "", "auth"),
            (P256DH, "BTBZMqHH6r4Tts7J", "auth"),
        ] {
            assert!(Recipient::new(p256dh, auth).unwrap_err().contains(part), "{p256dh} {auth}");
        }
        assert!(Recipient::new(&format!("{P256DH}="), &format!("{AUTH}==")).is_ok(), "padding is no fault");
    }
}
