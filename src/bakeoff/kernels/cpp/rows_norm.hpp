// Batch norm of rows, [rows][columns], as linear layers give them; its gradient is that of images too.

#pragma once

#include "lanes.hpp"

// What both batch norms, of images and of rows, give their inputs: factor * (gradient - offset - (input - mean) * slope).
struct NormGradient {
    float *factor, *offset, *slope;  // of each channel
    // From sums over the `count` values of a channel: of the gradient, and of gradient * (input - mean).
    NormGradient(int64_t channels, double count, const float* scale, const float* inverse, bool training,
                 const double* of_gradient, const double* of_product, float* scale_gradient, float* shift_gradient) {
        factor = factors_buffer.get(3 * channels), offset = factor + channels, slope = offset + channels;
        for (int64_t c = 0; c < channels; ++c) {
            shift_gradient[c] = float(of_gradient[c]);
            scale_gradient[c] = float(of_product[c] * inverse[c]);
            factor[c] = scale[c] * inverse[c];
            offset[c] = training ? float(of_gradient[c] / count) : 0;
            slope[c] = training ? float(of_product[c] / count * inverse[c] * inverse[c]) : 0;
        }
    }
};

// sums[column] += value(row * columns + column, column) over the rows: in float over 8 of them, so that few roundings
// follow one another and columns lie in the lanes, then in double.
template <class F> static void add_column_sums(int64_t rows, int64_t columns, F value, double* sums) {
    float* part = factors_buffer.get(columns);
    for (int64_t first = 0; first < rows; first += 8) {
        std::fill_n(part, columns, 0.0f);
        for (int64_t row = first; row < std::min(first + 8, rows); ++row)
            for (int64_t column = 0; column < columns; ++column) part[column] += value(row * columns + column, column);
        for (int64_t column = 0; column < columns; ++column) sums[column] += part[column];
    }
}

// Statistics as in batch_norm.hpp: mean, variance and 1 / standard deviation of each column.
static void rows_norm_forward(int64_t rows, int64_t columns, const float* input, const float* scale, const float* shift,
                              float* running_mean, float* running_variance, double momentum, double epsilon, bool training,
                              float* statistics, float* output) {
    float *mean = statistics, *variance = statistics + columns, *inverse = statistics + 2 * columns;
    auto* sums = reinterpret_cast<double*>(sums_buffer.zeros(2 * 2 * columns));
    double *values = sums, *squares = sums + columns;
    if (training) add_column_sums(rows, columns, [=](int64_t i, int64_t) { return input[i]; }, values);
    for (int64_t c = 0; c < columns; ++c) mean[c] = training ? float(values[c] / rows) : running_mean[c];
    if (training)
        add_column_sums(rows, columns, [=](int64_t i, int64_t c) { return (input[i] - mean[c]) * (input[i] - mean[c]); }, squares);
    for (int64_t c = 0; c < columns; ++c) {
        double found = training ? squares[c] / rows : running_variance[c];
        variance[c] = float(found);
        inverse[c] = float(1 / std::sqrt(found + epsilon));
        if (!training) continue;
        running_mean[c] = float((1 - momentum) * running_mean[c] + momentum * values[c] / rows);
        running_variance[c] = float((1 - momentum) * running_variance[c] + momentum * squares[c] / (rows - 1));
    }
    float* factor = factors_buffer.get(columns);
    for (int64_t c = 0; c < columns; ++c) factor[c] = inverse[c] * scale[c];
    for (int64_t row = 0; row < rows; ++row, input += columns, output += columns)
        for (int64_t c = 0; c < columns; ++c) output[c] = (input[c] - mean[c]) * factor[c] + shift[c];
}

static void rows_norm_backward(int64_t rows, int64_t columns, const float* input, const float* scale, bool training,
                               const float* statistics, const float* gradient, float* input_gradient, float* scale_gradient,
                               float* shift_gradient) {
    const float *mean = statistics, *inverse = statistics + 2 * columns;
    auto* sums = reinterpret_cast<double*>(sums_buffer.zeros(2 * 2 * columns));
    double *of_gradient = sums, *of_product = sums + columns;
    add_column_sums(rows, columns, [=](int64_t i, int64_t) { return gradient[i]; }, of_gradient);
    add_column_sums(rows, columns, [=](int64_t i, int64_t c) { return gradient[i] * (input[i] - mean[c]); }, of_product);
    NormGradient passed(columns, double(rows), scale, inverse, training, of_gradient, of_product, scale_gradient, shift_gradient);
    const float *factor = passed.factor, *offset = passed.offset, *slope = passed.slope;
    for (int64_t row = 0; row < rows; ++row, input += columns, gradient += columns, input_gradient += columns)
        for (int64_t c = 0; c < columns; ++c)
            input_gradient[c] = factor[c] * (gradient[c] - offset[c] - (input[c] - mean[c]) * slope[c]);
}
