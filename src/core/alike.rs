//! Names that a forgiving reader takes for another: in other letters, with what nobody sees, encoded, cut; and names that
//! people take for another, because they look the same.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::inert::deceives;

/// The letters of `tools/call`.
const CALL: &str = "toolscall";
/// Those of `notifications/cancelled`.
const CANCELLATION: &str = "notificationscancelled";
/// Solidus in all its forms that normalisation leaves as they are.
const SLASHES: [char; 20] = [
    '\u{2044}',
    '\u{2215}',
    '\u{2216}',
    '\u{29f5}',
    '\u{29f8}',
    '\u{29f9}',
    '\u{2571}',
    '\u{2572}',
    '\u{27cb}',
    '\u{27cd}',
    '\u{1735}',
    '\u{2cc6}',
    '\u{3033}',
    '\u{30ce}',
    '\u{31d3}',
    '\u{4e3f}',
    '\u{2f03}',
    '\u{1d23a}',
    '\u{29f6}',
    '\u{29f7}',
];

/// Whether a forgiving reader could take one name for the other.
pub(super) fn looks_like(name: &str, known: &str) -> bool {
    if !(name.is_ascii() && known.is_ascii()) {
        return cuts(name).any(|part| fold(part) == fold(known)) || fold(name) == fold(known);
    }
    // As `fold` has it, without making the folded names: that would cost more than all else about a tool.
    visible(name).eq(visible(known)) || cuts(name).any(|part| visible(part).eq(visible(known)))
}

/// Whether some reader of methods could take this one for `notifications/cancelled`.
pub(super) fn looks_like_a_cancellation(method: &str) -> bool {
    letters(&decoded(method)).eq(CANCELLATION.chars())
}

/// Whether some reader of methods could take this one for `tools/call`, by whatever road.
pub(super) fn looks_like_a_call(method: &str) -> bool {
    // Methods of the protocol are of such letters only, and are told apart without being taken to pieces.
    if method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'/') {
        return letters(method).eq(CALL.chars());
    }
    let decoded = decoded(method);
    let truncated: String = decoded.chars().map(low_byte).collect();
    [decoded.as_ref(), &truncated].into_iter().any(|method| {
        let pieces = method.split(|c: char| c.is_control() || matches!(c, '?' | '#' | ';'));
        pieces.chain([method]).any(|piece| letters(piece).eq(CALL.chars()))
    })
}

/// The first of the names that are known which people could take this one for: it differs from it in case, in marks, in
/// doubled separators, or in letters of the same shape.
pub fn taken_for(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let (read, seen) = (read(name), seen(name));
    known.into_iter().find(|known| self::read(known) == read || self::seen(known) == seen)
}

/// A name as it is read aloud.
fn read(name: &str) -> String {
    let mut read = String::new();
    for c in name.nfkd().filter(|c| !is_combining_mark(*c) && (c.is_whitespace() || !deceives(*c))) {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c.is_alphanumeric() || !read.ends_with(c) {
            read.extend(c.to_lowercase());
        }
    }
    read
}

/// A name by the shapes of its letters.
fn seen(name: &str) -> String {
    let shapes: String = name.nfkd().map(shape).collect();
    read(&shapes).replace("rn", "m").replace("vv", "w")
}

/// Letters of other scripts, and the plain ones whose shape they have; capitals stand for themselves, since a small letter
/// may have another shape than its capital.
const FOREIGN: [(&str, &str); 5] = [
    // Cyrillic.
    ("аеорсхуіѕјһԁԛԝѵӏАВЕКМНОРСТУХЅІЈӀԌԚԜѴ", "aeopcxyisjhdqwvlabekmhopctyxsljlgqwv"),
    // Greek.
    ("αονρυικγΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aovpuikyabezhlkmnoptyx"),
    // Armenian, and Latin letters beside the usual ones.
    ("հոսօցգզքՏՕՍƖɑɡɩıʏᴏᴠᴡᴢꜱɪʟ", "hnuoggqpsoulagiiyovwzsil"),
    // Cherokee.
    ("ᎪᏴᏟᎠᎬᏀᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ", "abcdeghjklmprstvwz"),
    // Lisu.
    ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "bpdtgkjczfmnlsrvhwxyaelou"),
];

/// One letter for all that look like it.
fn shape(c: char) -> char {
    match c {
        'I' | '1' | '|' => 'l',
        'O' | '0' => 'o',
        _ if c.is_ascii() => c,
        _ => FOREIGN
            .iter()
            .find_map(|(letters, plain)| letters.chars().zip(plain.chars()).find(|(letter, _)| *letter == c))
            .map_or(c, |(_, plain)| plain),
    }
}

/// A name up to each control character in it: readers that end a text there see no more.
fn cuts(name: &str) -> impl Iterator<Item = &str> {
    name.char_indices().filter(|(_, c)| c.is_control()).map(|(at, _)| &name[..at])
}

/// What can be seen of a plain name, in lower case.
fn visible(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_graphic).map(|byte| byte.to_ascii_lowercase())
}

/// A name as the most forgiving reader would see it: in compatible, lower-case letters, without blanks, marks and what
/// nobody sees.
fn fold(name: &str) -> String {
    folded(name).collect()
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    let seen = |c: &char| !c.is_whitespace() && !deceives(*c) && !is_combining_mark(*c);
    name.nfkd().filter(seen).flat_map(char::to_lowercase).nfkd().filter(move |c| seen(c))
}

/// The same without what may stand between two words.
fn letters(method: &str) -> impl Iterator<Item = char> {
    let between = |c: &char| matches!(c, '/' | '\\' | '.' | ':' | '_' | '-' | '|' | '~' | '+') || SLASHES.contains(c);
    folded(method).filter(move |c| !between(c))
}

/// What a reader keeps that has one byte for each character.
fn low_byte(c: char) -> char {
    char::from(u32::from(c).to_be_bytes()[3])
}

/// A method without percent encoding, however often it was encoded.
fn decoded(method: &str) -> Cow<'_, str> {
    let mut method = Cow::Borrowed(method);
    while let Some(once) = decoded_once(&method) {
        method = Cow::Owned(once);
    }
    method
}

fn decoded_once(method: &str) -> Option<String> {
    let (mut bytes, mut rest, mut found) = (Vec::with_capacity(method.len()), method, false);
    while let Some(c) = rest.chars().next() {
        if let Some((decoded, length)) = escape(rest) {
            bytes.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
            (rest, found) = (&rest[length..], true);
        } else if let Some(byte) = rest.strip_prefix('%').and_then(|rest| hex(rest, 2)) {
            bytes.push(byte.to_be_bytes()[3]);
            (rest, found) = (&rest[3..], true);
        } else {
            bytes.extend_from_slice(&rest.as_bytes()[..c.len_utf8()]);
            rest = &rest[c.len_utf8()..];
        }
    }
    found.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// A character written as `%uXXXX` or `\uXXXX`, and how long that is.
fn escape(text: &str) -> Option<(char, usize)> {
    let digits = text.strip_prefix("%u").or_else(|| text.strip_prefix("\\u"))?;
    Some((char::from_u32(hex(digits, 4)?)?, 6))
}

fn hex(text: &str, digits: usize) -> Option<u32> {
    let digits = text.get(..digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_some_reader_takes_for_a_call_is_seen_whatever_its_form() {
        for method in [
            "tools/call",
            "Tools/Call",
            " tools/call\t",
            "tools\\call",
            "tools\u{2044}call",
            "tools\u{2215}call",
            "tools\u{ff0f}call",
            "tools\u{29f8}call",
            "tools\u{338}call",
            "tools\u{12f}call",
            "//tools//call/",
            "tools/./call",
            "tools.call",
            "tools_call",
            "tools:call",
            "toolsCall",
            "tools/call\0",
            "tools/call\0x",
            "x\0tools/call",
            "tools/call\r\nx",
            "tools/call?x=1",
            "tools/call#x",
            "tools/call;x",
            "tools%2Fcall",
            "tools%2fcall",
            "tools%252fcall",
            "tools%u2215call",
            "tools\\u002fcall",
            "%74ools/call",
            "tools/call%00x",
            "tools/ca\u{301}ll",
            "tools/c\u{e1}ll",
            "tools/ca\u{34f}ll",
            "tools/ca\u{2800}ll",
            "tools/ca\u{3164}ll",
            "tools/ca\u{e0041}ll",
            "tools/ca\u{fe0f}ll",
            "tools/ca\u{180f}ll",
            "tools\u{a0}/call",
            "\u{1d42d}ools/call",
        ] {
            assert!(looks_like_a_call(method), "{method:?}");
        }
    }

    #[test]
    fn each_foreign_letter_has_its_plain_one() {
        for (letters, plain) in FOREIGN {
            assert_eq!(letters.chars().count(), plain.chars().count(), "{letters}");
            assert!(plain.bytes().all(|byte| byte.is_ascii_lowercase()) && !letters.is_ascii());
        }
    }

    #[test]
    fn other_methods_are_others() {
        for method in [
            "tools/list",
            "tools/calls",
            "tools/cal",
            "tools/call\u{2059}",
            "x/tools/call",
            "notifications/tools/list_changed",
            "%",
            "%zz",
            "%u12",
            "tools%2",
            "",
            "\u{1f600}",
        ] {
            assert!(!looks_like_a_call(method), "{method:?}");
        }
    }

    #[test]
    fn members_are_alike_by_what_is_seen_of_them_or_up_to_a_control_character() {
        for name in ["Name", "name ", "na\u{200b}me", "\u{ff4e}ame", "na\u{301}me", "name\0x", "name\n", "n\u{34f}ame"]
        {
            assert!(looks_like(name, "name"), "{name:?}");
        }
        for name in ["names", "nam", "n/ame", "n%61me", "x\0name"] {
            assert!(!looks_like(name, "name"), "{name:?}");
        }
    }

    #[test]
    fn names_are_taken_for_each_other_by_the_look_of_them_and_honest_ones_are_not() {
        for (name, other) in [
            ("Ada", "ada"),
            ("ada.", "Ada."),
            ("fiIesystem", "filesystem"),
            ("fi1esystem", "filesystem"),
            ("adrnin", "admin"),
            ("vvebhook", "webhook"),
            ("prod0", "prodO"),
            ("my--server", "my-server"),
            ("my  server", "my server"),
            ("Zoe", "Zoë"),
            ("\u{441}\u{43e}\u{441}\u{430}", "coca"),
            ("\u{3bf}\u{3bd}", "ov"),
            ("\u{410}da", "Ada"),
            ("\u{421}laude", "Claude"),
            ("\u{39c}ax", "max"),
            ("\u{412}o\u{412}", "bob"),
            ("adm\u{131}n", "admin"),
            ("d\u{585}c", "doc"),
            ("\u{13aa}da", "ada"),
            ("\u{a4ee}da", "ada"),
            ("\u{51d}eb", "web"),
        ] {
            assert_eq!(taken_for(name, [other.to_owned()]).as_deref(), Some(other), "{name}");
            assert_eq!(taken_for(other, [name.to_owned()]).as_deref(), Some(name), "{other}");
        }
        for (name, other) in [
            ("web1", "web2"),
            ("web1", "web11"),
            ("web-11", "web-1-1"),
            ("node-1", "node-i"),
            ("ali", "all"),
            ("my-server", "my_server"),
            ("prod", "prod-eu"),
            ("a/b", "a-b"),
            ("team-s", "team-5"),
            ("clean", "dean"),
            ("\u{410}\u{434}\u{430}", "ada"),
        ] {
            assert_eq!(taken_for(name, [other.to_owned()]), None, "{name} {other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn plain_names_look_alike_as_folded_ones_do(name in "[\\x20-\\x7e]{0,6}|[ nN][aA]m[eE]\t?", known in "name|[a-cA-C ]{0,3}") {
            proptest::prop_assert_eq!(looks_like(&name, &known), fold(&name) == fold(&known), "{:?} {:?}", name, known);
        }

        #[test]
        fn no_method_panics(method in ".{0,12}|[%u0-9a-f\\\\]{0,12}") {
            looks_like_a_call(&method);
        }
    }
}
