//! Files that are given by mistake, by their first bytes: what to do with them.

/// What a file is, and what to do.
pub struct Foreign {
    pub what: &'static str,
    pub remedy: &'static str,
}

const UNPACK: &str = "unpack it, and give the file that is in it";
const TEXT: &str = "save its text as a text file, or export the transcript as VTT";
const SOUND: &str = "convert it to WAV, MP3 or M4A";
const DECRYPT: &str = "decrypt it first";

/// First bytes of each.
const KNOWN: [(&[u8], Foreign); 15] = [
    (
        b"PK\x03\x04",
        Foreign {
            what: "a ZIP archive",
            remedy: UNPACK,
        },
    ),
    (
        b"Rar!\x1a\x07",
        Foreign {
            what: "a RAR archive",
            remedy: UNPACK,
        },
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        Foreign {
            what: "a 7z archive",
            remedy: UNPACK,
        },
    ),
    (
        b"\x1f\x8b\x08",
        Foreign {
            what: "packed with gzip",
            remedy: UNPACK,
        },
    ),
    (
        b"%PDF",
        Foreign {
            what: "a PDF document",
            remedy: TEXT,
        },
    ),
    (
        b"{\\rtf",
        Foreign {
            what: "an RTF document",
            remedy: TEXT,
        },
    ),
    // Office wraps its documents in this when a password locks them.
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        Foreign {
            what: "an old Office document, or one that a password locks",
            remedy: TEXT,
        },
    ),
    (
        b"-----BEGIN PGP M",
        Foreign {
            what: "encrypted (PGP)",
            remedy: DECRYPT,
        },
    ),
    (
        b"age-encryption.o",
        Foreign {
            what: "encrypted (age)",
            remedy: DECRYPT,
        },
    ),
    (
        b"Salted__",
        Foreign {
            what: "encrypted (OpenSSL)",
            remedy: DECRYPT,
        },
    ),
    (
        b"#!AMR",
        Foreign {
            what: "an AMR recording",
            remedy: SOUND,
        },
    ),
    (
        b"caff\x00\x01",
        Foreign {
            what: "a CAF recording",
            remedy: SOUND,
        },
    ),
    (
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        Foreign {
            what: "a WMA or WMV recording",
            remedy: SOUND,
        },
    ),
    (
        b"FLV\x01",
        Foreign {
            what: "an FLV film",
            remedy: SOUND,
        },
    ),
    (
        b"\x00\x00\x01\xba",
        Foreign {
            what: "an MPEG film",
            remedy: SOUND,
        },
    ),
];

/// Where the flags of a ZIP's first file are, and the one that says "encrypted".
const ZIP_FLAGS: usize = 6;
const ZIP_ENCRYPTED: u8 = 1;
/// Where the name of that file is, and how documents of Office begin.
const ZIP_NAME: usize = 30;
const OFFICE: &[u8] = b"[Content_Types].xml";

/// None for a file that may be a transcript.
pub fn recognise(first: &[u8]) -> Option<&'static Foreign> {
    if first.starts_with(b"PK\x03\x04") {
        if first.get(ZIP_FLAGS).is_some_and(|flags| flags & ZIP_ENCRYPTED != 0) {
            return Some(&Foreign {
                what: "a ZIP archive that a password locks",
                remedy: UNPACK,
            });
        }
        if first.get(ZIP_NAME..).is_some_and(|name| name.starts_with(OFFICE)) {
            return Some(&Foreign {
                what: "an Office document",
                remedy: TEXT,
            });
        }
    }
    let found = KNOWN.iter().find(|(mark, _)| first.starts_with(mark));
    found.map(|(_, foreign)| foreign)
}
