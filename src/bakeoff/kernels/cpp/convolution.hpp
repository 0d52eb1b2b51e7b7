// Convolution and pooling in lane layout.

#pragma once

#include "filtering.hpp"

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

// What all convolutions of a call share. Of the input, rows outside of first_full..end_full are zero and are left out.
struct Convolution {
    Terms terms;
    int64_t outputs, first_full, end_full;
    const float* factors;  // [block of outputs][part][ky][in][product of the part][output of the block]

    // `transposed` gives that of the input's gradient: input and output channels change places, and the kernel is turned by
    // 180 degrees.
    Convolution(const Sizes& s, const float* weight, bool transposed, int64_t padded_width, int64_t first_full, int64_t end_full)
        : terms(s.kernel, transposed ? s.out_channels : s.channels, padded_width, terms_buffer),
          outputs(transposed ? s.channels : s.out_channels), first_full(first_full), end_full(end_full) {
        float* to = weights_buffer.get(terms.size() * outputs);
        factors = to;
        for_blocks<MAX_BLOCK>(outputs, [&](auto size, int64_t first) {
            for (Part part : PARTS_OF_PAIR)
                for (int64_t ky = 0; ky < s.kernel; ++ky)
                    for (int64_t in = 0; in < terms.inputs; ++in)
                        for (int64_t product = 0; product < terms.products(part); ++product)
                            for (int64_t out = first; out < first + size; ++out)
                                *to++ = factor(part, product, [&](int64_t kx) {
                                    return weight[transposed ? s.weight_index(in, out, s.kernel - 1 - ky, s.kernel - 1 - kx)
                                                             : s.weight_index(out, in, ky, kx)];
                                });
        });
    }
};

// One part of COUNT vectors of pairs and SIZE output channels: sums stay in registers over rows first_ky..end_ky of the
// kernel, each factor is broadcast, and `finish` gets the sums.
template <int SIZE, int COUNT, Part PART, class F>
static __attribute__((noinline)) void add_products(const Terms& terms, const float* factors, const float* const in[COUNT],
                                                   int64_t first_ky, int64_t end_ky, F finish) {
    int64_t of_row = terms.products(PART) * terms.inputs, begin = terms.begin(PART);
    const Term *term = terms.list + begin + first_ky * of_row, *end = terms.list + begin + end_ky * of_row;
    Vector sum[COUNT][SIZE];
    for_sums<COUNT, SIZE>([&](int i, int j) { sum[i][j] = Vector{}; });
    for (factors += (begin + first_ky * of_row) * SIZE; term < end; ++term, factors += SIZE) {
        Vector x[COUNT];
        for (int i = 0; i < COUNT; ++i) {
            Vector a = load(in[i] + term->a), b = load(in[i] + term->b);
            x[i] = PART == S ? a + b : a - b;
        }
        for (int j = 0; j < SIZE; ++j)  // one factor at a time takes the fewest registers
            for (int i = 0; i < COUNT; ++i) sum[i][j] += x[i] * factors[j];
    }
    for_sums<COUNT, SIZE>([&](int i, int j) { finish(i, j, sum[i][j]); });
}

template <int SIZE, int COUNT>
static inline void convolve_tile(const Terms& terms, const float* factors, const float* bias, const float* const in[COUNT],
                                 float* const left[COUNT], float* const right[COUNT], int64_t first_ky, int64_t end_ky,
                                 bool with_relu) {
    alignas(64) float sums[COUNT][SIZE][WIDTH], differences[COUNT][SIZE][WIDTH];
    add_products<SIZE, COUNT, S>(terms, factors, in, first_ky, end_ky, [&](int i, int j, Vector sum) {
        store(sums[i][j], sum + (bias ? bias[j] : 0.0f));
    });
    add_products<SIZE, COUNT, D>(terms, factors, in, first_ky, end_ky, [&](int i, int j, Vector sum) {
        store(differences[i][j], sum);
    });
    add_products<SIZE, COUNT, L>(terms, factors, in, first_ky, end_ky, [&](int i, int j, Vector sum) {
        sum += load(sums[i][j]) + load(differences[i][j]);
        store(left[i] + j * LANES, with_relu ? relu(sum) : sum);
    });
    add_products<SIZE, COUNT, R>(terms, factors, in, first_ky, end_ky, [&](int i, int j, Vector sum) {
        sum += load(sums[i][j]) - load(differences[i][j]);
        store(right[i] + j * LANES, with_relu ? relu(sum) : sum);
    });
}

// `pairs` of columns in output rows first_row.. of [padded_height][padded_width][inputs][16] -> [rows][width][outputs][16]. Where
// the last pair is half, the input is read up to a column past its end.
static void convolve(const Convolution& c, const float* in, const float* bias, int64_t first_row, int64_t rows, int64_t pairs,
                     bool with_relu, float* out) {
    constexpr int POSITIONS = WIDTH == 16 ? 4 : 1;
    int64_t kernel = c.terms.kernel, padded_width = c.terms.padded_width, column = c.terms.inputs * LANES;
    int64_t width = padded_width - kernel + 1;
    in += first_row * padded_width * column;
    for_blocks<MAX_BLOCK>(c.outputs, [&](auto size, int64_t first) {
        const float* factors = c.factors + first * c.terms.size();
        for_blocks<POSITIONS>(rows * pairs, [&](auto count, int64_t position) {
            constexpr int COUNT = count * PARTS;
            alignas(64) float unused[PARTS * size * LANES];
            const float* from[COUNT];
            float *left[COUNT], *right[COUNT];
            for (int i = 0; i < COUNT; ++i) {
                int64_t y = (position + i / PARTS) / pairs, x = (position + i / PARTS) % pairs * 2, part = i % PARTS * WIDTH;
                from[i] = in + (y * padded_width + x) * column + part;
                left[i] = out + ((y * width + x) * c.outputs + first) * LANES + part;
                right[i] = x + 1 < width ? left[i] + c.outputs * LANES : unused;
            }
            int64_t top = first_row + position / pairs, bottom = first_row + (position + count - 1) / pairs;
            convolve_tile<size, COUNT>(c.terms, factors, bias ? bias + first : nullptr, from, left, right,
                                       std::max<int64_t>(0, c.first_full - bottom), std::min(kernel, c.end_full - top), with_relu);
        });
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
