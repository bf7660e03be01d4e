//! AdamW in one pass over the weights; the one of candle makes a dozen, and its state cannot be written down.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};

/// Gradients longer than this are cut to it.
const LONGEST_GRADIENT: f64 = 1.0;
const BETA1: f32 = 0.9;
const BETA2: f32 = 0.98;
const EPSILON: f32 = 1e-8;

pub struct Optimizer {
    vars: Vec<Var>,
    /// Learning rate of each variable at its height.
    rates: Vec<f64>,
    decay: f32,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    step: i32,
}

impl Optimizer {
    pub fn new(vars: Vec<Var>, rates: Vec<f64>, decay: f32) -> Self {
        let zeros: Vec<Vec<f32>> = vars.iter().map(|var| vec![0.0; var.elem_count()]).collect();
        Self {
            vars,
            rates,
            decay,
            first: zeros.clone(),
            second: zeros,
            step: 0,
        }
    }

    /// Running means by name, for [`Self::restore`].
    pub fn state(&self) -> candle_core::Result<HashMap<String, Tensor>> {
        let mut all = HashMap::new();
        for (kind, means) in [("first", &self.first), ("second", &self.second)] {
            for (at, mean) in means.iter().enumerate() {
                all.insert(format!("{kind}.{at}"), Tensor::new(mean.as_slice(), &Device::Cpu)?);
            }
        }
        all.insert("step".to_owned(), Tensor::new(&[i64::from(self.step)], &Device::Cpu)?);
        Ok(all)
    }

    pub fn restore(&mut self, state: &HashMap<String, Tensor>) -> candle_core::Result<()> {
        let named = |name: &str| {
            let missing = || candle_core::Error::Msg(format!("`{name}` is missing"));
            state.get(name).ok_or_else(missing)
        };
        for (kind, means) in [("first", &mut self.first), ("second", &mut self.second)] {
            for (at, mean) in means.iter_mut().enumerate() {
                *mean = named(&format!("{kind}.{at}"))?.to_vec1()?;
            }
        }
        self.step = named("step")?.to_vec1::<i64>()?[0] as i32;
        Ok(())
    }

    /// One step along the mean of the gradients; `share` of the rates.
    pub fn step(&mut self, grads: &[GradStore], share: f64) -> candle_core::Result<()> {
        let mut means = Vec::with_capacity(self.vars.len());
        let mut squares = 0.0_f64;
        for var in &self.vars {
            let mut sum: Option<Vec<f32>> = None;
            for grad in grads.iter().filter_map(|store| store.get(var)) {
                let grad = grad.flatten_all()?.to_vec1::<f32>()?;
                match &mut sum {
                    None => sum = Some(grad),
                    Some(sum) => sum.iter_mut().zip(grad).for_each(|(sum, one)| *sum += one),
                }
            }
            if let Some(sum) = &mut sum {
                let count = grads.len() as f32;
                for value in sum.iter_mut() {
                    *value /= count;
                    squares += f64::from(*value) * f64::from(*value);
                }
            }
            means.push(sum);
        }
        if !squares.is_finite() {
            return Err(candle_core::Error::Msg("the gradient is not a number".to_owned()));
        }
        let cut = (LONGEST_GRADIENT / squares.sqrt()).min(1.0) as f32;
        self.step += 1;
        let scale1 = 1.0 / (1.0 - BETA1.powi(self.step));
        let scale2 = 1.0 / (1.0 - BETA2.powi(self.step));
        for (at, mean) in means.into_iter().enumerate() {
            let Some(mean) = mean else { continue };
            let var = &self.vars[at];
            let rate = (self.rates[at] * share) as f32;
            // Biases and norms are not drawn to zero.
            let decay = if var.dims().len() > 1 { self.decay } else { 0.0 };
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            let moments = self.first[at].iter_mut().zip(&mut self.second[at]);
            for ((value, gradient), (first, second)) in values.iter_mut().zip(mean).zip(moments) {
                let gradient = gradient * cut;
                *first = BETA1 * *first + (1.0 - BETA1) * gradient;
                *second = BETA2 * *second + (1.0 - BETA2) * gradient * gradient;
                let step = (*first * scale1) / ((*second * scale2).sqrt() + EPSILON);
                *value -= rate * (step + decay * *value);
            }
            var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu)?)?;
        }
        Ok(())
    }
}
