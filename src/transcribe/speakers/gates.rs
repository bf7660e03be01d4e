//! What an LSTM layer keeps and says, once its gates are known.

/// One row: input, forget, cell and output gate, each as wide as what is said, with their biases.
pub fn open<const WIDTH: usize>(gates: &[f32], bias: &[f32], cells: &mut [f32], said: &mut [f32]) {
    let (cells, said) = (&mut cells[..WIDTH], &mut said[..WIDTH]);
    let (gates, bias) = (&gates[..4 * WIDTH], &bias[..4 * WIDTH]);
    for at in 0..WIDTH {
        let gate = |number: usize| gates[number * WIDTH + at] + bias[number * WIDTH + at];
        cells[at] = sigmoid(gate(1)) * cells[at] + sigmoid(gate(0)) * tanh(gate(2));
        said[at] = sigmoid(gate(3)) * tanh(cells[at]);
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

fn tanh(x: f32) -> f32 {
    2.0 / (1.0 + exp(-2.0 * x)) - 1.0
}

/// `e` to the power of `x`, right to 1e-6 of itself. The platform's own takes longer than the products of the layers, because
/// nothing of it is done for several numbers at once.
fn exp(x: f32) -> f32 {
    /// Added to a number, it leaves the next whole number in the lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    /// Powers of ln 2 by the factorials: 2 to the power of −½…½, highest power first.
    const SERIES: [f32; 7] = [
        1.540_353e-4,
        1.333_355_8e-3,
        9.618_129e-3,
        5.550_411e-2,
        0.240_226_5,
        6.931_472e-1,
        1.0,
    ];
    let power = (x * std::f32::consts::LOG2_E).clamp(-126.0, 126.0);
    let whole = power + WHOLE;
    let rest = power - (whole - WHOLE);
    let part = SERIES.iter().fold(0.0, |sum, coefficient| sum * rest + coefficient);
    part * f32::from_bits((whole.to_bits() << 23).wrapping_add(127 << 23))
}
