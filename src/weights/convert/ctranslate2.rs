//! Reading a CTranslate2 model file (binary versions 5 and 6): names, shapes and values of its tensors.

use std::collections::BTreeMap;

use half::f16;

use super::Error;
use super::cursor::{Cursor, f32s};

const WHAT: &str = "model.bin";

/// How the values of a tensor are stored; numbers as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    F32,
    I8,
    I16,
    I32,
    F16,
}

impl Stored {
    fn from_id(id: u8) -> Option<(Self, usize)> {
        match id {
            0 => Some((Self::F32, 4)),
            1 => Some((Self::I8, 1)),
            2 => Some((Self::I16, 2)),
            3 => Some((Self::I32, 4)),
            4 => Some((Self::F16, 2)),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
struct Tensor<'a> {
    shape: Vec<usize>,
    stored: Stored,
    bytes: &'a [u8],
}

/// The tensors of a model by name, aliases included.
#[derive(Debug)]
pub struct Model<'a> {
    tensors: BTreeMap<String, Tensor<'a>>,
}

impl<'a> Model<'a> {
    /// Reads the directory of a Whisper model; values stay where they are.
    pub fn read(data: &'a [u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(WHAT, data);
        let version = cursor.u32()?;
        if !(5..=6).contains(&version) {
            return Err(format(format!("binary version {version}, only 5 and 6 are known")));
        }
        let spec = text(&mut cursor)?;
        if spec != "WhisperSpec" {
            return Err(format(format!("it holds `{spec}`, not `WhisperSpec`")));
        }
        let _revision = cursor.u32()?;

        let mut tensors = BTreeMap::new();
        for _ in 0..cursor.u32()? {
            let name = text(&mut cursor)?;
            tensors.insert(name.to_owned(), tensor(&mut cursor, name)?);
        }
        for _ in 0..cursor.u32()? {
            let alias = text(&mut cursor)?;
            let target = text(&mut cursor)?;
            let tensor = tensors.get(target).cloned().ok_or_else(|| missing(target))?;
            tensors.insert(alias.to_owned(), tensor);
        }
        Ok(Self { tensors })
    }

    fn get(&self, name: &str) -> Result<&Tensor<'a>, Error> {
        self.tensors.get(name).ok_or_else(|| missing(name))
    }

    pub fn any_shape(&self, name: &str) -> Result<&[usize], Error> {
        Ok(&self.get(name)?.shape)
    }

    /// The shape of a tensor, which must have `N` dimensions.
    pub fn shape<const N: usize>(&self, name: &str) -> Result<[usize; N], Error> {
        let shape = self.any_shape(name)?;
        let wrong = |_| error(name, format!("has {} dimensions instead of {N}", shape.len()));
        shape.try_into().map_err(wrong)
    }

    /// The values of a tensor, 8-bit ones multiplied out with their scales.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, Error> {
        let tensor = self.get(name)?;
        match tensor.stored {
            Stored::F32 => Ok(f32s(tensor.bytes).collect()),
            Stored::F16 => {
                let halves = tensor.bytes.as_chunks::<2>().0;
                Ok(halves.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect())
            }
            Stored::I8 => self.scaled(name, tensor),
            Stored::I16 | Stored::I32 => Err(error(name, "holds integers where weights are expected".into())),
        }
    }

    fn scaled(&self, name: &str, tensor: &Tensor<'_>) -> Result<Vec<f32>, Error> {
        let scales = self.values(&format!("{name}_scale"))?;
        let rows = tensor.shape.first().copied().unwrap_or(0);
        let width = tensor.bytes.len().checked_div(rows).unwrap_or(0);
        if width == 0 || scales.len() != rows {
            return Err(error(name, format!("has {rows} rows but {} scales", scales.len())));
        }
        let rows = tensor.bytes.chunks_exact(width).zip(scales);
        Ok(rows
            .flat_map(|(row, scale)| row.iter().map(move |q| f32::from(q.cast_signed()) / scale))
            .collect())
    }

    /// A tensor that is one whole number, or nothing if the model has no such tensor.
    pub fn integer(&self, name: &str) -> Option<usize> {
        let tensor = self.tensors.get(name)?;
        let number = match (tensor.stored, tensor.bytes) {
            (Stored::I8, [a]) => i32::from(a.cast_signed()),
            (Stored::I16, [a, b]) => i32::from(i16::from_le_bytes([*a, *b])),
            (Stored::I32, [a, b, c, d]) => i32::from_le_bytes([*a, *b, *c, *d]),
            _ => return None,
        };
        usize::try_from(number).ok()
    }

    /// How many layers there are under `prefix` (`encoder/layer_` or `decoder/layer_`).
    pub fn layers(&self, prefix: &str) -> usize {
        let numbers = self.tensors.keys().filter_map(|name| {
            let (number, _) = name.strip_prefix(prefix)?.split_once('/')?;
            number.parse::<usize>().ok()
        });
        numbers.max().map_or(0, |last| last.saturating_add(1))
    }
}

fn tensor<'a>(cursor: &mut Cursor<'a>, name: &str) -> Result<Tensor<'a>, Error> {
    let rank = cursor.u8()?;
    let shape = (0..rank).map(|_| cursor.count()).collect::<Result<Vec<_>, _>>()?;
    let id = cursor.u8()?;
    let (stored, width) = Stored::from_id(id).ok_or_else(|| error(name, format!("is stored as unknown type {id}")))?;
    let length = cursor.count()?;
    let expected = shape.iter().try_fold(width, |product, n| product.checked_mul(*n));
    if expected != Some(length) {
        return Err(error(
            name,
            format!("of shape {shape:?} does not fit its {length} bytes"),
        ));
    }
    Ok(Tensor {
        shape,
        stored,
        bytes: cursor.take(length)?,
    })
}

/// Texts carry their length with the zero byte that ends them.
fn text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Error> {
    let length = usize::from(cursor.u16()?);
    let text = cursor.text(length.saturating_sub(1))?;
    cursor.take(length.min(1))?;
    Ok(text)
}

fn format(why: String) -> Error {
    Error::Format { what: WHAT, why }
}

fn error(name: &str, why: String) -> Error {
    Error::Tensor {
        what: WHAT,
        name: name.into(),
        why,
    }
}

fn missing(name: &str) -> Error {
    error(name, "is missing".into())
}
