//! Products of rows with weights that were packed once, in floats or in bytes, and what lies between them: norm, softmax, GELU.
//!
//! What comes of a row does not depend on the rows beside it, nor on the number of threads, nor on how wide the registers of the
//! processor are: the kernels of floats add in the same order for any number of rows and columns, sums of bytes are exact, and all other
//! sums are taken in one order. (A processor without fused products rounds otherwise, and so do products of bytes where floats take
//! their place.) What the numbers mean is *not* here.

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix, QuantParams};
use rten_simd::ops::{BitOps, FloatOps, NarrowSaturate, NumOps, ToFloat};
use rten_simd::{Isa, SimdOp, SimdUnaryOp};
use rten_tensor::{Matrix, NdTensorView};
use rten_vecmath::{Exp, Gelu, MaxNum, MinMax, Normalize, NormalizeOptions};

/// Rows whose products of bytes lie beside each other: what they become stays in the cache.
const ROWS: usize = 128;
/// The byte that stands for zero.
const ZERO: u8 = 128;
/// The largest number of a row or an output, in bytes.
const MOST: f32 = 127.0;
/// Numbers that are summed beside each other, whatever a register holds: the order of a sum is that of the program, not the processor's.
const LANES: usize = 32;
/// Registers for as many, where they are smallest.
const REGISTERS: usize = LANES / 4;

/// The products of this processor and their room. No more than the choice of kernels, and not to be sent between threads: made where
/// it is used.
pub struct Products {
    floats: GemmExecutor,
    bytes: GemmExecutor<u8, i8, i32>,
    /// Rows in bytes, the step of each, and what comes of them.
    rounded: Vec<u8>,
    steps: Vec<f32>,
    sums: Vec<i32>,
}

impl Default for Products {
    fn default() -> Self {
        Self {
            floats: GemmExecutor::new(),
            bytes: GemmExecutor::default(),
            rounded: Vec::new(),
            steps: Vec::new(),
            sums: Vec::new(),
        }
    }
}

impl Products {
    /// `to` = `a` · `b` · `scale`.
    pub fn set(&self, a: Matrix<'_>, b: GemmInputB<'_, f32>, scale: f32, to: &mut [f32]) {
        let options = GemmOptions {
            alpha: scale,
            ..GemmOptions::default()
        };
        self.floats
            .gemm(to, GemmInputA::Unpacked(a), b, options)
            .expect("the shapes of a product fit each other");
    }

    /// For several products with the same matrix.
    pub fn pack(&self, b: Matrix<'_>) -> PackedBMatrix<f32> {
        self.floats.prepack_b(b)
    }
}

enum Weight {
    Floats(PackedBMatrix<f32>),
    /// With the step of each output.
    Bytes(PackedBMatrix<i8>, Vec<f32>),
}

/// Weights and biases.
pub struct Linear {
    weight: Weight,
    bias: Vec<f32>,
}

impl Linear {
    /// `weight`: inputs × outputs.
    pub fn exact(products: &Products, weight: Matrix<'_>, bias: Vec<f32>) -> Self {
        Self {
            weight: Weight::Floats(products.pack(weight)),
            bias,
        }
    }

    /// As they lie in a file. `shape`: inputs, outputs.
    pub fn packed(products: &Products, shape: [usize; 2], weight: &[f32], bias: Vec<f32>) -> Self {
        Self::exact(products, NdTensorView::from_data(shape, weight), bias)
    }

    /// Rounded to bytes, each output by its largest weight. `weight`: outputs × inputs. Processors that multiply bytes in words of 16
    /// bits, where sums overflow, get floats: they are about as fast there.
    pub fn rounded(products: &Products, weight: &[f32], bias: Vec<f32>) -> Self {
        let shape = [bias.len(), weight.len() / bias.len()];
        if products.bytes.may_saturate() {
            return Self::exact(products, NdTensorView::from_data(shape, weight).transposed(), bias);
        }
        let (bytes, steps): (Vec<_>, Vec<_>) = weight.chunks_exact(shape[1]).map(round).unzip();
        let bytes = bytes.concat();
        let weight = NdTensorView::from_data(shape, bytes.as_slice());
        Self {
            weight: Weight::Bytes(products.bytes.prepack_b(weight.transposed()), steps),
            bias,
        }
    }

    /// Numbers of a row that comes out.
    pub const fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `to` = `from` · weight + bias.
    pub fn set(&self, products: &mut Products, from: &[f32], to: &mut [f32]) {
        match &self.weight {
            Weight::Floats(weight) => {
                to.chunks_exact_mut(self.outputs())
                    .for_each(|row| row.copy_from_slice(&self.bias));
                multiply(products, weight, from, to);
            }
            Weight::Bytes(weight, steps) => self.multiply_bytes(products, (weight, steps), from, to, false),
        }
    }

    /// `to` += `from` · weight + bias.
    pub fn add(&self, products: &mut Products, from: &[f32], to: &mut [f32]) {
        match &self.weight {
            Weight::Floats(weight) => {
                for row in to.chunks_exact_mut(self.outputs()) {
                    row.iter_mut()
                        .zip(&self.bias)
                        .for_each(|(number, bias)| *number += bias);
                }
                multiply(products, weight, from, to);
            }
            Weight::Bytes(weight, steps) => self.multiply_bytes(products, (weight, steps), from, to, true),
        }
    }

    fn multiply_bytes(
        &self,
        products: &mut Products,
        (weight, steps): (&PackedBMatrix<i8>, &[f32]),
        from: &[f32],
        to: &mut [f32],
        add: bool,
    ) {
        let (inputs, outputs) = (weight.rows(), self.outputs());
        for (from, to) in from.chunks(ROWS * inputs).zip(to.chunks_mut(ROWS * outputs)) {
            let count = from.len() / inputs;
            products.round(from, inputs);
            products.sums.resize(to.len().max(products.sums.len()), 0);
            let zeros = [ZERO; ROWS];
            let options = GemmOptions {
                a_quant: Some(QuantParams {
                    zero_point: &zeros[..count],
                }),
                ..GemmOptions::default()
            };
            let rows = NdTensorView::from_data([count, inputs], products.rounded.as_slice());
            let sums = &mut products.sums[..to.len()];
            products
                .bytes
                .gemm(sums, GemmInputA::Unpacked(rows), GemmInputB::Packed(weight), options)
                .expect("the shapes of a product fit each other");
            let rows = sums.chunks_exact(outputs).zip(to.chunks_exact_mut(outputs));
            for ((sums, to), step) in rows.zip(&products.steps) {
                Unround {
                    sums,
                    steps,
                    step: *step,
                    bias: &self.bias,
                    to,
                    add,
                }
                .dispatch();
            }
        }
    }
}

/// `to` += `from` · weight.
fn multiply(products: &Products, weight: &PackedBMatrix<f32>, from: &[f32], to: &mut [f32]) {
    let inputs = weight.rows();
    let from = NdTensorView::from_data([from.len() / inputs, inputs], from);
    let options = GemmOptions {
        beta: 1.0,
        ..GemmOptions::default()
    };
    products
        .floats
        .gemm(to, GemmInputA::Unpacked(from), GemmInputB::Packed(weight), options)
        .expect("the shapes of a product fit each other");
}

impl Products {
    /// Rounds rows to bytes, each by its largest number.
    fn round(&mut self, rows: &[f32], width: usize) {
        self.rounded.clear();
        self.rounded.reserve(rows.len());
        self.steps.clear();
        for row in rows.chunks_exact(width) {
            self.steps.push(round_to(row, &mut self.rounded));
        }
    }
}

/// Numbers in bytes, and their step.
pub fn round(numbers: &[f32]) -> (Vec<i8>, f32) {
    let mut bytes = Vec::with_capacity(numbers.len());
    let step = round_to(numbers, &mut bytes);
    // A byte without a sign is as far from ZERO as the same one with a sign is from zero, its first bit turned.
    (
        bytes.into_iter().map(|byte| (byte ^ ZERO).cast_signed()).collect(),
        step,
    )
}

/// Adds numbers in bytes, rounded by their largest; their step.
fn round_to(numbers: &[f32], to: &mut Vec<u8>) -> f32 {
    let (least, most) = MinMax::new(numbers).dispatch();
    let largest = most.max(-least);
    // Of nothing but zeros comes zero, by any step.
    let step = if largest > 0.0 { largest / MOST } else { 1.0 };
    let from = to.len();
    to.resize(from + numbers.len(), ZERO);
    Round {
        numbers,
        scale: 1.0 / step,
        to: &mut to[from..],
    }
    .dispatch();
    step
}

/// Numbers → bytes. (`rten_vecmath` has this too, but calls a function for each vector.)
struct Round<'a> {
    numbers: &'a [f32],
    scale: f32,
    to: &'a mut [u8],
}

impl SimdOp for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (floats, integers, words, bytes) = (isa.f32(), isa.i32(), isa.i16(), isa.u8());
        let lanes = floats.len();
        let (scale, zero) = (floats.splat(self.scale), integers.splat(i32::from(ZERO)));
        let whole = self.numbers.len() / (4 * lanes) * 4 * lanes;
        for from in (0..whole).step_by(4 * lanes) {
            let mut rounded = [zero; 4];
            for (at, rounded) in rounded.iter_mut().enumerate() {
                let numbers = floats.load(&self.numbers[from + at * lanes..]);
                *rounded = integers.add(floats.to_int_round(floats.mul(numbers, scale)), zero);
            }
            let low = integers.narrow_saturate(rounded[0], rounded[1]);
            let high = integers.narrow_saturate(rounded[2], rounded[3]);
            bytes.store(words.narrow_saturate(low, high), &mut self.to[from..from + 4 * lanes]);
        }
        for at in whole..self.numbers.len() {
            let number = (self.numbers[at] * self.scale).round_ties_even() as i32 + i32::from(ZERO);
            self.to[at] = number.clamp(0, i32::from(u8::MAX)) as u8;
        }
    }
}

/// Sums of bytes → numbers of a row.
struct Unround<'a> {
    sums: &'a [i32],
    /// Of the outputs, and of the row.
    steps: &'a [f32],
    step: f32,
    bias: &'a [f32],
    to: &'a mut [f32],
    /// To what is there.
    add: bool,
}

impl SimdOp for Unround<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (floats, integers) = (isa.f32(), isa.i32());
        let lanes = floats.len();
        let step = floats.splat(self.step);
        let whole = self.to.len() / lanes * lanes;
        for at in (0..whole).step_by(lanes) {
            let here = at..at + lanes;
            let step = floats.mul(step, floats.load(&self.steps[here.clone()]));
            let sum = integers.to_float(integers.load(&self.sums[here.clone()]));
            let mut number = floats.mul_add(sum, step, floats.load(&self.bias[here.clone()]));
            if self.add {
                number = floats.add(number, floats.load(&self.to[here.clone()]));
            }
            floats.store(number, &mut self.to[here]);
        }
        for at in whole..self.to.len() {
            let number = (self.sums[at] as f32).mul_add(self.step * self.steps[at], self.bias[at]);
            self.to[at] = if self.add { number + self.to[at] } else { number };
        }
    }
}

/// Weights of a convolution, stored as outputs × inputs × places → outputs × (places, inputs), as its rows lie.
pub fn places_first(stored: &[f32], inputs: usize, places: usize) -> Vec<f32> {
    let output = |output: &[f32]| -> Vec<f32> {
        let place = |at| output.iter().skip(at).step_by(places).copied();
        (0..places).flat_map(place).collect()
    };
    stored.chunks_exact(inputs * places).flat_map(output).collect()
}

/// The sum of numbers.
pub fn sum(numbers: &[f32]) -> f32 {
    Plain(numbers).dispatch()
}

/// The sum of their squares, as they lie around `middle`.
pub fn sum_of_squares(numbers: &[f32], middle: f32) -> f32 {
    Squares { numbers, middle }.dispatch()
}

struct Plain<'a>(&'a [f32]);

impl SimdOp for Plain<'_> {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f32 {
        let floats = isa.f32();
        add_up(isa, self.0, 0.0, |sum, number| floats.add(sum, number))
    }
}

struct Squares<'a> {
    numbers: &'a [f32],
    middle: f32,
}

impl SimdOp for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f32 {
        let floats = isa.f32();
        let middle = floats.splat(self.middle);
        add_up(isa, self.numbers, self.middle, |sum, number| {
            let off = floats.sub(number, middle);
            floats.add(sum, floats.mul(off, off))
        })
    }
}

/// Every number is added to the sum of its lane, and then the lanes by halves. `nothing`: a number that adds nothing.
#[inline(always)]
fn add_up<I: Isa>(isa: I, numbers: &[f32], nothing: f32, add: impl Fn(I::F32, I::F32) -> I::F32) -> f32 {
    let floats = isa.f32();
    let lanes = floats.len();
    let mut registers = [floats.zero(); REGISTERS];
    let registers = &mut registers[..LANES / lanes];
    let (whole, rest) = numbers.as_chunks::<LANES>();
    let mut last = [nothing; LANES];
    last[..rest.len()].copy_from_slice(rest);
    for numbers in whole.iter().chain((!rest.is_empty()).then_some(&last)) {
        for (sum, numbers) in registers.iter_mut().zip(numbers.chunks_exact(lanes)) {
            *sum = add(*sum, floats.load(numbers));
        }
    }
    let mut sums = [0.0; LANES];
    for (sum, to) in registers.iter().zip(sums.chunks_exact_mut(lanes)) {
        floats.store(*sum, to);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for at in 0..half {
            sums[at] += sums[at + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Numbers → shares of one, by their exponentials.
pub fn softmax(row: &mut [f32]) {
    let most = MaxNum::new(row).dispatch();
    Exponentials { most }.map_mut(row);
    let whole = sum(row);
    row.iter_mut().for_each(|share| *share /= whole);
}

/// Of numbers less their largest.
struct Exponentials {
    most: f32,
}

impl SimdUnaryOp<f32> for Exponentials {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I, number: I::F32) -> I::F32 {
        let floats = isa.f32();
        Exp::apply(isa, floats.sub(number, floats.splat(self.most)))
    }
}

pub fn gelu(numbers: &mut [f32]) {
    Gelu {}.map_mut(numbers);
}

/// Layer norm.
pub struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    pub const fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f32) -> Self {
        Self { weight, bias, epsilon }
    }

    /// Of each row.
    pub fn apply(&self, rows: &mut [f32]) {
        let width = self.weight.len() as f32;
        for row in rows.chunks_exact_mut(self.weight.len()) {
            let mean = sum(row) / width;
            let variance = sum_of_squares(row, mean) / width;
            let options = NormalizeOptions {
                pre_scale_bias: mean,
                scale: 1.0 / (variance + self.epsilon).sqrt(),
                element_scale: Some(&self.weight),
                element_bias: Some(&self.bias),
                ..NormalizeOptions::default()
            };
            Normalize::new_mut(row, options).dispatch();
        }
    }

    /// A norm and the weights behind it (outputs × inputs), of which bytes lose less: numbers that the norm makes large are made
    /// smaller there and larger in the weights, which changes no product. `share` of a difference goes to the weights, 0–1.
    pub fn smooth(&mut self, weight: &mut [f32], share: f32) {
        let inputs = self.weight.len();
        let mut most = vec![0.0_f32; inputs];
        for row in weight.chunks_exact(inputs) {
            most.iter_mut()
                .zip(row)
                .for_each(|(most, one)| *most = one.abs().max(*most));
        }
        let numbers = self.weight.iter_mut().zip(&mut self.bias);
        let factors = numbers.zip(most).map(|((scale, bias), most)| {
            // Normed numbers hardly come more than three deviations from their mean.
            let number = 3.0_f32.mul_add(scale.abs(), bias.abs());
            let factor = number.powf(share) / most.powf(1.0 - share);
            let factor = if factor.is_normal() { factor } else { 1.0 };
            *scale /= factor;
            *bias /= factor;
            factor
        });
        let factors: Vec<f32> = factors.collect();
        for row in weight.chunks_exact_mut(inputs) {
            row.iter_mut().zip(&factors).for_each(|(one, factor)| *one *= factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn random(rng: &mut StdRng, count: usize) -> Vec<f32> {
        (0..count).map(|_| rng.random::<f32>() - 0.5).collect()
    }

    /// The same on the registers of every kind of processor that this one can stand for.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn sums_do_not_depend_on_the_width_of_registers() {
        use rten_simd::isa::{Avx2Isa, Avx512Isa, GenericIsa};

        let mut rng = StdRng::seed_from_u64(3);
        for count in [0, 1, 7, 31, 32, 33, 384, 1000] {
            let numbers = random(&mut rng, count);
            let narrow = (
                Plain(&numbers).eval(GenericIsa::new()),
                Squares {
                    numbers: &numbers,
                    middle: 0.1,
                }
                .eval(GenericIsa::new()),
            );
            let exact: f64 = numbers.iter().map(|number| f64::from(*number)).sum();
            assert!((f64::from(narrow.0) - exact).abs() < 1e-4);
            let exact: f64 = numbers.iter().map(|number| (f64::from(*number) - 0.1).powi(2)).sum();
            assert!((f64::from(narrow.1) - exact).abs() < 1e-4);
            let squares = || Squares {
                numbers: &numbers,
                middle: 0.1,
            };
            if let Some(isa) = Avx2Isa::new() {
                assert_eq!((Plain(&numbers).eval(isa), squares().eval(isa)), narrow);
            }
            if let Some(isa) = Avx512Isa::new() {
                assert_eq!((Plain(&numbers).eval(isa), squares().eval(isa)), narrow);
            }
        }
    }

    #[test]
    fn shares_are_those_of_exponentials() {
        let mut rng = StdRng::seed_from_u64(4);
        for count in [1, 5, 24, 129] {
            let numbers: Vec<f32> = random(&mut rng, count).iter().map(|number| number * 40.0).collect();
            let whole: f64 = numbers.iter().map(|number| f64::from(*number).exp()).sum();
            let mut shares = numbers.clone();
            softmax(&mut shares);
            for (share, number) in shares.iter().zip(&numbers) {
                assert!((f64::from(*share) - f64::from(*number).exp() / whole).abs() < 1e-6);
            }
        }
    }

    const INPUTS: usize = 96;
    const OUTPUTS: usize = 67;

    fn expected(rows: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let row = |row: &[f32]| -> Vec<f32> {
            let outputs = weight.chunks_exact(INPUTS).zip(bias);
            outputs
                .map(|(weight, bias)| {
                    bias + row
                        .iter()
                        .zip(weight)
                        .map(|(number, weight)| number * weight)
                        .sum::<f32>()
                })
                .collect()
        };
        rows.chunks_exact(INPUTS).flat_map(row).collect()
    }

    fn error(found: &[f32], expected: &[f32]) -> f32 {
        let length = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|number| number * number).sum::<f32>().sqrt();
        length(&mut found.iter().zip(expected).map(|(found, expected)| found - expected))
            / length(&mut expected.iter().copied())
    }

    #[test]
    fn products_in_bytes_are_near_those_in_floats_and_the_same_for_any_rows_beside_them() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut products = Products::default();
        let (weight, bias) = (random(&mut rng, INPUTS * OUTPUTS), random(&mut rng, OUTPUTS));
        let rows = random(&mut rng, 300 * INPUTS);
        let wanted = expected(&rows, &weight, &bias);
        let view = NdTensorView::from_data([OUTPUTS, INPUTS], weight.as_slice());
        let exact = Linear::exact(&products, view.transposed(), bias.clone());
        let rounded = Linear::rounded(&products, &weight, bias);
        let mut found = vec![0.0; wanted.len()];
        exact.set(&mut products, &rows, &mut found);
        assert!(error(&found, &wanted) < 1e-5);
        rounded.set(&mut products, &rows, &mut found);
        assert!(error(&found, &wanted) < 0.01, "{}", error(&found, &wanted));
        let mut alone = vec![0.0; OUTPUTS];
        rounded.set(&mut products, &rows[7 * INPUTS..8 * INPUTS], &mut alone);
        assert_eq!(alone, found[7 * OUTPUTS..8 * OUTPUTS]);
        rounded.add(&mut products, &rows[7 * INPUTS..8 * INPUTS], &mut alone);
        let twice: Vec<f32> = found[7 * OUTPUTS..8 * OUTPUTS]
            .iter()
            .map(|number| number * 2.0)
            .collect();
        assert!(error(&alone, &twice) < 1e-6);
        rounded.set(&mut products, &[0.0; INPUTS], &mut alone);
        assert_eq!(alone, rounded.bias);
    }

    #[test]
    fn a_smoothed_norm_changes_no_product_and_bytes_lose_less() {
        let mut rng = StdRng::seed_from_u64(2);
        let mut products = Products::default();
        let mut weight = random(&mut rng, INPUTS * OUTPUTS);
        let mut scale = vec![1.0; INPUTS];
        scale[5] = 40.0;
        let mut norm = Norm::new(scale, random(&mut rng, INPUTS), 1e-5);
        let rows = random(&mut rng, 20 * INPUTS);
        let bias = vec![0.0; OUTPUTS];
        let mut run = |norm: &Norm, weight: &[f32]| {
            let mut rows = rows.clone();
            norm.apply(&mut rows);
            let mut found = vec![0.0; 20 * OUTPUTS];
            Linear::rounded(&products, weight, bias.clone()).set(&mut products, &rows, &mut found);
            (expected(&rows, weight, &bias), found)
        };
        let (wanted, rough) = run(&norm, &weight);
        norm.smooth(&mut weight, 0.7);
        let (same, smooth) = run(&norm, &weight);
        assert!(error(&same, &wanted) < 1e-5);
        // Where bytes are not used, nothing is lost.
        assert!(error(&smooth, &wanted) <= error(&rough, &wanted));
    }
}
