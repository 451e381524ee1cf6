//! MT19937, the random numbers of seeded generators.

const SIZE: usize = 624;
const SHIFT: usize = 397;

/// The Mersenne Twister of Matsumoto and Nishimura with their initialization of 2002.
pub(super) struct MersenneTwister {
    state: [u32; SIZE],
    next: usize,
}

impl MersenneTwister {
    /// Creates a generator. Only the low 32 bits of the seed count.
    pub(super) fn new(seed: i64) -> Self {
        let mut state = [0; SIZE];
        let mut word = seed as u32;
        for (index, slot) in (0u32..).zip(&mut state) {
            if index > 0 {
                word = 1_812_433_253u32.wrapping_mul(word ^ (word >> 30)).wrapping_add(index);
            }
            *slot = word;
        }
        MersenneTwister { state, next: SIZE }
    }

    /// From 0 up to but not including 1, in steps of 2⁻³².
    pub(super) fn next_f64(&mut self) -> f64 {
        f64::from(self.next_u32()) / 4_294_967_296.0
    }

    fn next_u32(&mut self) -> u32 {
        if self.next >= SIZE {
            self.twist();
            self.next = 0;
        }
        let mut word = self.state[self.next % SIZE];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for index in 0..SIZE {
            let word = (self.state[index] & 0x8000_0000) | (self.state[(index + 1) % SIZE] & 0x7fff_ffff);
            let odd = if word & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[index] = self.state[(index + SHIFT) % SIZE] ^ (word >> 1) ^ odd;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MersenneTwister;

    #[test]
    fn gives_the_reference_numbers() {
        let mut twister = MersenneTwister::new(5489);
        let numbers: Vec<u32> = (0..10_000).map(|_| twister.next_u32()).collect();
        // First by the authors' reference output, last by the C++ standard's check of mt19937.
        assert_eq!((numbers[0], numbers[9_999]), (3_499_211_612, 4_123_659_995));
    }
}
