// Linear layers with ReLU, forward and backward, and the matrix product that they are: rows of at most some hundred
// numbers, for which a general one spends long on deciding how.

#pragma once

#include "convolution.hpp"
#include "rows_norm.hpp"

constexpr int ROWS = 6, VECTORS = WIDTH == 16 ? 4 : 2;  // of a tile, whose sums stay in registers over so much depth:
constexpr int64_t DEPTH = 128;  // fewer roundings follow one another, and the right factor's part stays in the cache

struct Factor {  // the left one: element (row, k) is at data[row * row_step + k * step]
    const float* data;
    int64_t row_step, step;
};

// tile[SIZE][COUNT vectors] = a[SIZE][depth] b[depth][COUNT vectors]
template <int SIZE, int COUNT>
static inline void multiply_tile(Factor a, int64_t depth, const float* b, int64_t b_row, float* tile) {
    Vector sum[SIZE][COUNT];
    for_sums<SIZE, COUNT>([&](int row, int j) { sum[row][j] = Vector{}; });
    for (int64_t k = 0; k < depth; ++k, a.data += a.step, b += b_row) {
        Vector right[COUNT];
        for (int j = 0; j < COUNT; ++j) {
            right[j] = load(b + j * WIDTH);
            keep_in_register(right[j]);
        }
        for (int row = 0; row < SIZE; ++row)
            for (int j = 0; j < COUNT; ++j) sum[row][j] += a.data[row * a.row_step] * right[j];
    }
    for_sums<SIZE, COUNT>([&](int row, int j) { store(tile + (row * COUNT + j) * WIDTH, sum[row][j]); });
}

// to = from, or to + from; and + bias
static inline void add_row(int64_t columns, const float* __restrict from, bool adds, const float* __restrict bias,
                           float* __restrict to) {
    if (adds) for (int64_t i = 0; i < columns; ++i) to[i] += from[i];
    else std::memcpy(to, from, size_t(columns) * 4);
    if (bias) for (int64_t i = 0; i < columns; ++i) to[i] += bias[i];
}
static inline void relu_row(int64_t columns, float* row) {
    for (int64_t i = 0; i < columns; ++i) row[i] = row[i] <= 0 ? 0.0f : row[i];  // NaN stays
}

// out[rows][columns] = a[rows][depth] b[depth][columns] + bias, and then ReLU. Rows of b may be read up to whole vectors.
static void multiply(int64_t rows, int64_t columns, int64_t depth, Factor a, const float* b, int64_t b_row, const float* bias,
                     bool with_relu, float* out) {
    alignas(64) float tile[ROWS * VECTORS * WIDTH];
    for_blocks<VECTORS>(padded(columns) / WIDTH, [&](auto count, int64_t vector) {
        int64_t first = vector * WIDTH, used = std::min(columns - first, count * int64_t(WIDTH));
        for (int64_t k = 0; k == 0 || k < depth; k += DEPTH)
            for_blocks<ROWS>(rows, [&](auto size, int64_t row) {
                multiply_tile<size, count>({a.data + row * a.row_step + k * a.step, a.row_step, a.step},
                                           std::min(DEPTH, depth - k), b + k * b_row + first, b_row, tile);
                float* to = out + row * columns + first;
                bool last = k + DEPTH >= depth;
                for (const float* from = tile; from < tile + size * count * WIDTH; from += count * WIDTH, to += columns) {
                    add_row(used, from, k > 0, last && bias ? bias + first : nullptr, to);
                    if (last && with_relu) relu_row(used, to);
                }
            });
    });
}

// [rows][columns] such that whole vectors may be read: itself where all of them are whole, else a copy.
static const float* with_whole_vectors(const float* matrix, int64_t rows, int64_t columns, Buffer& buffer) {
    if (columns % WIDTH == 0) return matrix;
    float* copy = buffer.get(rows * padded(columns));
    for (int64_t row = 0; row < rows; ++row) {
        std::memcpy(copy + row * padded(columns), matrix + row * columns, size_t(columns) * 4);
        std::fill(copy + row * padded(columns) + columns, copy + (row + 1) * padded(columns), 0.0f);
    }
    return copy;
}

static void linear_forward(int64_t rows, int64_t inputs, int64_t outputs, bool with_relu, const float* input, const float* weight,
                           const float* bias, float* output) {
    int64_t columns = (outputs + LANES - 1) / LANES * LANES;
    float* transposed = weights_buffer.get(inputs * columns);
    for (int64_t out = 0; out < outputs; out += LANES) {
        float* row[LANES];
        for (int lane = 0; lane < LANES; ++lane)
            row[lane] = const_cast<float*>(weight) + std::min(out + lane, outputs - 1) * inputs;
        transpose_run<true>(row, transposed + out, columns, inputs, LANES);
    }
    multiply(rows, outputs, inputs, {input, inputs, 1}, transposed, columns, bias, with_relu, output);
}

// `output` is that of a layer with ReLU, else null; gradients that are null are not wanted.
static void linear_backward(int64_t rows, int64_t inputs, int64_t outputs, const float* input, const float* weight,
                            const float* output, const float* gradient, float* input_gradient, float* weight_gradient,
                            float* bias_gradient) {
    if (output) {
        float* passed = gradient_buffer.get(rows * outputs);
        for (int64_t i = 0; i < rows * outputs; ++i) passed[i] = output[i] <= 0 ? 0.0f : gradient[i];  // NaN passes
        gradient = passed;
    }
    if (bias_gradient) {
        auto* sums = reinterpret_cast<double*>(sums_buffer.zeros(2 * outputs));
        add_column_sums(rows, outputs, [=](int64_t i, int64_t) { return gradient[i]; }, sums);
        for (int64_t out = 0; out < outputs; ++out) bias_gradient[out] = float(sums[out]);
    }
    if (weight_gradient)
        multiply(outputs, inputs, rows, {gradient, 1, outputs}, with_whole_vectors(input, rows, inputs, images_buffer),
                 padded(inputs), nullptr, false, weight_gradient);
    if (input_gradient)
        multiply(rows, inputs, outputs, {gradient, outputs, 1}, with_whole_vectors(weight, outputs, inputs, weights_buffer),
                 padded(inputs), nullptr, false, input_gradient);
}
