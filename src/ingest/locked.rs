//! Whether the sound of a film's container is encrypted. Its frames would decode to noise, or not at all.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Boxes or elements that are looked at; before the sound track of a real file there are fewer.
const MOST: usize = 10_000;

/// Of MP4 (ISO 14496-12): the sound's sample entry names protection (14496-12 and FairPlay) in the place of a codec.
pub fn mp4(bytes: &mut (impl Read + Seek)) -> io::Result<bool> {
    let end = bytes.seek(SeekFrom::End(0))?;
    let mut open = std::iter::once(0..end).collect::<Vec<_>>();
    for _ in 0..MOST {
        let Some(within) = open.pop() else { break };
        let Some((kind, body)) = next_box(bytes, &within)? else {
            continue;
        };
        open.push(body.end..within.end);
        match &kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => open.push(body),
            // Version and number of entries come first.
            b"stsd" => open.push(body.start + 8..body.end),
            b"enca" | b"drms" => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

/// Kind and body of the box at the start of `within`, if one is there.
fn next_box(bytes: &mut (impl Read + Seek), within: &Range<u64>) -> io::Result<Option<([u8; 4], Range<u64>)>> {
    let Some(head) = read::<8>(bytes, within)? else {
        return Ok(None);
    };
    let [a, b, c, d, kind @ ..] = head;
    let mut start = within.start + 8;
    let size = match u64::from(u32::from_be_bytes([a, b, c, d])) {
        0 => within.end - within.start,
        1 => match read::<8>(bytes, &(start..within.end))? {
            Some(long) => {
                start += 8;
                u64::from_be_bytes(long)
            }
            None => return Ok(None),
        },
        size => size,
    };
    let end = within.start.saturating_add(size).min(within.end);
    Ok((start <= end).then_some((kind, start..end)))
}

const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK: u32 = 0xae;
const TRACK_TYPE: u32 = 0x83;
const AUDIO: u8 = 2;
const ENCODINGS: u32 = 0x6d80;
const ENCODING: u32 = 0x6240;
const ENCRYPTION: u32 = 0x5035;

/// Of Matroska and WebM (RFC 9559): an encoding of the sound track is encryption.
pub fn matroska(bytes: &mut (impl Read + Seek)) -> io::Result<bool> {
    let end = bytes.seek(SeekFrom::End(0))?;
    let mut open = std::iter::once(0..end).collect::<Vec<_>>();
    // Of the track at hand.
    let (mut is_audio, mut is_encrypted) = (false, false);
    for _ in 0..MOST {
        let Some(within) = open.pop() else { break };
        let Some((id, body)) = next_element(bytes, &within)? else {
            continue;
        };
        open.push(body.end..within.end);
        match id {
            TRACK => {
                (is_audio, is_encrypted) = (false, false);
                open.push(body);
            }
            SEGMENT | TRACKS | ENCODINGS | ENCODING => open.push(body),
            TRACK_TYPE => is_audio = read::<1>(bytes, &body)? == Some([AUDIO]),
            ENCRYPTION => is_encrypted = true,
            _ => {}
        }
        if is_audio && is_encrypted {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Id and body of the element at the start of `within`, if one is there.
fn next_element(bytes: &mut (impl Read + Seek), within: &Range<u64>) -> io::Result<Option<(u32, Range<u64>)>> {
    let Some((id, start, _)) = number(bytes, within, false)? else {
        return Ok(None);
    };
    let Some((size, start, is_open)) = number(bytes, &(start..within.end), true)? else {
        return Ok(None);
    };
    let end = if is_open {
        within.end
    } else {
        start.saturating_add(size).min(within.end)
    };
    Ok(u32::try_from(id).ok().map(|id| (id, start..end)))
}

/// A number of variable length (RFC 8794, 4), where it ends, and whether all its bits are set: "not known". `cut`: without
/// the bit that tells its length, which is part of an id.
fn number(bytes: &mut (impl Read + Seek), within: &Range<u64>, cut: bool) -> io::Result<Option<(u64, u64, bool)>> {
    let Some([first]) = read::<1>(bytes, within)? else {
        return Ok(None);
    };
    let more = u64::from(first.leading_zeros());
    if more >= 8 || within.start + 1 + more > within.end {
        return Ok(None);
    }
    let mut rest = [0; 7];
    bytes.read_exact(&mut rest[..more as usize])?;
    let whole = rest[..more as usize]
        .iter()
        .fold(u64::from(first), |sum, byte| (sum << 8) | u64::from(*byte));
    let bits = 7 * (more + 1);
    let value = whole & ((1 << bits) - 1);
    let number = if cut { value } else { whole };
    Ok(Some((number, within.start + 1 + more, value == (1 << bits) - 1)))
}

/// The first bytes of a range, if it has as many.
fn read<const N: usize>(bytes: &mut (impl Read + Seek), within: &Range<u64>) -> io::Result<Option<[u8; N]>> {
    if within.end.saturating_sub(within.start) < N as u64 {
        return Ok(None);
    }
    let mut found = [0; N];
    bytes.seek(SeekFrom::Start(within.start))?;
    bytes.read_exact(&mut found)?;
    Ok(Some(found))
}
