// The weight gradient of a convolution from gradients of all its outputs, in lane layout.

#pragma once

#include "convolution.hpp"

// The products of filtering.hpp the other way round: with gradients `left` and `right` of two neighbouring outputs,
//
//     S0 = (d1 + d2) (left + right)     S1 = (d4 + d4) (left + right)     of g0: L0 + (S0 + D) / 2     of g3: L1 + S1 / 2
//     L0 = (d0 - d2) left               L1 = (d3 - d4) left               of g2: R0 + (S0 + D) / 2     of g4: R1 + S1 / 2
//     R0 = (d3 - d1) right              R1 = (d5 - d4) right              of g1: (S0 - D) / 2
//     D  = (d2 - d1) (left - right)
//
// each summed up over pairs of outputs and images: again 7 products instead of 10, or 4 instead of 6.
class WeightGradient {
    static constexpr int TERMS = WIDTH == 16 ? 4 : 2, OUTPUTS = MAX_BLOCK;  // of a tile
    static constexpr int64_t PAIRS = 56;  // at once, so that they stay in the cache
    Terms terms;
    int64_t outputs, width, pairs, rows_at_once;
    float* sums;          // [part][ky][in][product of the part][output][16]
    float* gradients[4];  // of each part: what its products are multiplied with, [row][pair][output of a block][WIDTH]

    template <int SIZE> void pack(const float* gradient, int64_t row, int64_t rows) const {
        int64_t to = 0;
        for (int64_t y = 0; y < rows; ++y)
            for (int64_t x = 0; x < width; x += 2)
                for (int j = 0; j < SIZE; ++j, to += WIDTH) {
                    const float* at = gradient + y * row + (x * outputs + j) * LANES;
                    Vector left = load(at), right = x + 1 < width ? load(at + outputs * LANES) : Vector{};
                    store(gradients[S] + to, left + right), store(gradients[D] + to, left - right);
                    store(gradients[L] + to, left), store(gradients[R] + to, right);
                }
    }

    // Sums of COUNT terms with SIZE outputs stay in registers.
    template <int SIZE, int COUNT, Part PART>
    __attribute__((noinline)) void add_tile(const float* in, const Term* term, const float* gradient, int64_t rows,
                                            float* to) const {
        Vector sum[COUNT][SIZE];
        for_sums<COUNT, SIZE>([&](int i, int j) { sum[i][j] = Vector{}; });
        int64_t used = PART == R ? width / 2 : pairs;  // there is no right one in half a pair
        for (int64_t y = 0; y < rows; ++y, in += terms.padded_width * terms.inputs * LANES, gradient += pairs * SIZE * WIDTH) {
            const float *d = in, *g = gradient;
            for (int64_t pair = 0; pair < used; ++pair, d += 2 * terms.inputs * LANES, g += SIZE * WIDTH) {
                Vector x[COUNT];
                for (int i = 0; i < COUNT; ++i) {
                    Vector a = load(d + term[i].a), b = load(d + term[i].b);
                    x[i] = PART == S ? a + b : a - b;
                }
                for (int j = 0; j < SIZE; ++j) {  // one gradient at a time takes the fewest registers
                    Vector of_output = load(g + j * WIDTH);
                    keep_in_register(of_output);
                    for (int i = 0; i < COUNT; ++i) sum[i][j] += x[i] * of_output;
                }
            }
        }
        for_sums<COUNT, SIZE>([&](int i, int j) {
            float* at = to + (i * outputs + j) * LANES;
            store(at, load(at) + sum[i][j]);
        });
    }

    template <int SIZE, Part PART> void add_part(const float* in, int64_t rows, float* to) const {
        for_blocks<TERMS>(terms.size(PART), [&](auto count, int64_t first) {
            int64_t term = terms.begin(PART) + first;
            add_tile<SIZE, count, PART>(in, terms.list + term, gradients[PART], rows, to + term * outputs * LANES);
        });
    }

    double total(Part part, int64_t term, int64_t out) const {
        const float* lanes = sums + ((terms.begin(part) + term) * outputs + out) * LANES;
        Quad sum = (load<Quad>(lanes) + load<Quad>(lanes + 4)) + (load<Quad>(lanes + 8) + load<Quad>(lanes + 12));
        return (double(sum[0]) + sum[1]) + (double(sum[2]) + sum[3]);
    }

public:
    WeightGradient(const Sizes& s, Buffer& terms_buffer, Buffer& buffer)
        : terms(s.kernel, s.channels, s.padded_width, terms_buffer), outputs(s.out_channels), width(s.conv_width),
          pairs((width + 1) / 2), rows_at_once(std::max<int64_t>(1, PAIRS / pairs)) {
        int64_t of_sums = terms.size() * outputs * LANES, of_rows = rows_at_once * pairs * OUTPUTS * WIDTH;
        sums = buffer.get(of_sums + 4 * of_rows);
        std::fill_n(sums, of_sums, 0.0f);
        for (Part part : PARTS_OF_PAIR) gradients[part] = sums + of_sums + part * of_rows;
    }

    // One group: `in` as convolve takes it, `gradient` [rows][width][outputs][16] with `row` floats from one row to the next,
    // 0 in lanes that are not in use.
    void add(const float* in, const float* gradient, int64_t row, int64_t rows) const {
        for (int64_t top = 0; top < rows; top += rows_at_once)
            for (int64_t part = 0; part < LANES; part += WIDTH)
                for_blocks<OUTPUTS>(outputs, [&](auto size, int64_t first) {
                    int64_t count = std::min(rows_at_once, rows - top);
                    pack<size>(gradient + top * row + first * LANES + part, row, count);
                    const float* from = in + top * terms.padded_width * terms.inputs * LANES + part;
                    float* to = sums + first * LANES + part;
                    add_part<size, S>(from, count, to), add_part<size, D>(from, count, to);
                    add_part<size, L>(from, count, to), add_part<size, R>(from, count, to);
                });
    }

    void finish(const Sizes& s, float* weight_gradient) const {
        int64_t products = terms.products(S);
        for (int64_t out = 0; out < outputs; ++out)
            for (int64_t ky = 0; ky < terms.kernel; ++ky)
                for (int64_t in = 0; in < terms.inputs; ++in) {
                    int64_t i = ky * terms.inputs + in;
                    auto write = [&](int64_t kx, double value) {
                        weight_gradient[s.weight_index(out, in, ky, kx)] = float(value);
                    };
                    double sum = total(S, i * products, out), difference = total(D, i, out);
                    write(0, total(L, i * products, out) + (sum + difference) / 2);
                    write(1, (sum - difference) / 2);
                    write(2, total(R, i * products, out) + (sum + difference) / 2);
                    if (products == 1) continue;
                    double more = total(S, i * products + 1, out) / 2;
                    write(3, total(L, i * products + 1, out) + more);
                    write(4, total(R, i * products + 1, out) + more);
                }
    }
};
