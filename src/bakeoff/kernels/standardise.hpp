// Pixels as bytes to standardised floats, in one pass: PyTorch takes three over memory that no cache near the core holds.
#pragma once
#include <cstdint>

// `rows` runs of `length` bytes -> floats: (pixel - shift) * scale, with the constants of each place in a run. Two
// roundings and no fused operation, as PyTorch's subtraction and multiplication: the same bits.
static void standardise(std::int64_t rows, std::int64_t length, const std::uint8_t* __restrict__ pixels,
                        const float* __restrict__ shift, const float* __restrict__ scale, float* __restrict__ out) {
    for (std::int64_t row = 0; row < rows; ++row, pixels += length, out += length)
        for (std::int64_t i = 0; i < length; ++i) out[i] = (float(pixels[i]) - shift[i]) * scale[i];
}
