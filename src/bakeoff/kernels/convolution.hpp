// Convolution and pooling in lane layout.

#pragma once

#include "lanes.hpp"

// Calls f(integral_constant of size, first) for blocks of nearly equal size, at most MAX, that cover `total`.
template <int MAX, class F> static inline void with_constant(int64_t size, F f) {
    if constexpr (MAX > 0) {
        if (size == MAX) f(std::integral_constant<int, MAX>{});
        else with_constant<MAX - 1>(size, f);
    }
}
template <int MAX, class F> static inline void for_blocks(int64_t total, F f) {
    int64_t blocks = (total + MAX - 1) / MAX;
    for (int64_t block = 0; block < blocks; ++block) {
        int64_t first = total * block / blocks, size = total * (block + 1) / blocks - first;
        with_constant<MAX>(size, [&](auto constant) { f(constant, first); });
    }
}

// Weights in the order of use: [block of outputs][ky][kx][in][output of the block]. `transposed` gives
// those of the input's gradient: input and output channels change places, and the kernel is turned by 180 degrees.
static float* pack_weights(const Sizes& s, const float* weight, bool transposed, float* packed) {
    int64_t k = s.kernel, outputs = transposed ? s.channels : s.out_channels, inputs = transposed ? s.out_channels : s.channels;
    for_blocks<MAX_BLOCK>(outputs, [&](auto size, int64_t first) {
        float* to = packed + first * inputs * k * k;
        for (int64_t ky = 0; ky < k; ++ky)
            for (int64_t kx = 0; kx < k; ++kx)
                for (int64_t in = 0; in < inputs; ++in)
                    for (int64_t out = first; out < first + size; ++out)
                        *to++ = weight[transposed ? s.weight_index(in, out, k - 1 - ky, k - 1 - kx)
                                                  : s.weight_index(out, in, ky, kx)];
    });
    return packed;
}

// Sums for SIZE channels and COLUMNS vectors stay in registers over all taps; each weight is broadcast.
constexpr int POSITIONS = WIDTH == 16 ? 4 : 1, COLUMNS = POSITIONS * PARTS;

template <int SIZE>
static inline void convolve_tile(const float* const in[COLUMNS], float* const out[COLUMNS], int64_t first_ky, int64_t end_ky,
                                 int64_t row, int64_t row_taps, const float* weight, const float* bias, bool with_relu) {
    Vector sum[COLUMNS][SIZE];
    for (int j = 0; j < SIZE; ++j)
        for (int column = 0; column < COLUMNS; ++column) sum[column][j] = Vector{} + (bias ? bias[j] : 0.0f);
    weight += first_ky * row_taps * SIZE;
    for (int64_t ky = first_ky; ky < end_ky; ++ky)
        for (int64_t tap = 0; tap < row_taps; ++tap, weight += SIZE) {
            Vector x[COLUMNS];
            for (int column = 0; column < COLUMNS; ++column) x[column] = load(in[column] + ky * row + tap * LANES);
            for (int j = 0; j < SIZE; ++j)  // one weight at a time takes the fewest registers
                for (int column = 0; column < COLUMNS; ++column) sum[column][j] += x[column] * weight[j];
        }
    for (int column = 0; column < COLUMNS; ++column)
        for (int j = 0; j < SIZE; ++j) store(out[column] + j * LANES, with_relu ? relu(sum[column][j]) : sum[column][j]);
}

// Output rows first_row.. of [padded_height][padded_width][inputs][16] -> [rows][width][outputs][16]. Of the input, rows
// outside of first_full..end_full are zero and are left out.
static void convolve(const float* in, int64_t padded_width, int64_t first_full, int64_t end_full, int64_t inputs,
                     int64_t kernel, const float* packed, const float* bias, int64_t outputs, int64_t first_row,
                     int64_t rows, bool with_relu, float* out) {
    int64_t width = padded_width - kernel + 1, row = padded_width * inputs * LANES, positions = rows * width;
    in += first_row * row;
    for_blocks<MAX_BLOCK>(outputs, [&](auto size, int64_t first) {
        for (int64_t position = 0; position < positions; position += POSITIONS) {
            const float* from[COLUMNS];
            float* to[COLUMNS];
            for (int column = 0; column < COLUMNS; ++column) {  // past the end: the last position once more
                int64_t p = std::min(position + column / PARTS, positions - 1), part = column % PARTS * WIDTH;
                from[column] = in + p / width * row + p % width * inputs * LANES + part;
                to[column] = out + (p * outputs + first) * LANES + part;
            }
            int64_t top = first_row + position / width;
            int64_t bottom = first_row + (std::min(position + POSITIONS, positions) - 1) / width;
            convolve_tile<size>(from, to, std::max<int64_t>(0, first_full - bottom), std::min(kernel, end_full - top), row,
                                kernel * inputs, packed + first * inputs * kernel * kernel, bias ? bias + first : nullptr,
                                with_relu);
        }
    });
}

// One row of pooling windows from two rows in lane layout. As PyTorch does, the first of equals wins, and NaN wins over
// all. A winner is 0..3 (row * 2 + column); with_relu, 4 is added where ReLU lets no gradient through.
template <class F>
static void pool_row(const Sizes& s, const float* rows, bool with_relu, F normalised, float* pooled, Code* winners) {
    int64_t pixel = s.out_channels * LANES, row = s.conv_width * pixel;
    for (int64_t x = 0; x < s.pooled_width; ++x, rows += 2 * pixel, pooled += pixel, winners += pixel)
        for (int64_t c = 0; c < s.out_channels; ++c)
            for (int64_t i = c * LANES; i < (c + 1) * LANES; i += WIDTH) {
                Vector best = normalised(load(rows + i), c);
                Integers winner = {};
                for (int place = 1; place < 4; ++place) {
                    Vector value = normalised(load(rows + place / 2 * row + place % 2 * pixel + i), c);
                    Integers better = (value > best) | (value != value);
                    best = better ? value : best;
                    winner = better ? Integers{} + place : winner;
                }
                store(pooled + i, with_relu ? relu(best) : best);
                store_codes(winners + i, with_relu ? winner | ((best <= 0) & 4) : winner);
            }
}
