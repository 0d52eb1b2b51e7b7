// Convolution -> ReLU -> batch norm -> pooling: forward and backward.

#pragma once

#include "convolution.hpp"
#include "rows_norm.hpp"
#include "weight_gradient.hpp"

// sums[channel] += value(y, x, offset in the pixel, channel) over one group: in float over a row, then over the rows, so
// that few roundings follow one another; over the lanes in use in double.
template <class F>
static void add_channel_sums(int64_t height, int64_t width, int64_t channels, int lanes_used, F value, double* sums) {
    for (int64_t c = 0; c < channels; ++c) {
        Vector sum[PARTS] = {};
        for (int64_t y = 0; y < height; ++y)
            for (int part = 0; part < PARTS; ++part) {
                Vector row = {};
                for (int64_t x = 0; x < width; ++x) row += value(y, x, c * LANES + part * WIDTH, c);
                sum[part] += row;
            }
        for (int lane = 0; lane < lanes_used; ++lane) sums[c] += sum[lane / WIDTH][lane % WIDTH];
    }
}

// Normalises with the batch's statistics in training, and moves the running ones towards them; else with the running
// ones. Those used are written to `statistics`: mean, variance and 1 / standard deviation of each channel. `activations`
// (after ReLU) and `winners` stay in lane layout for the backward pass; null where there will be none.
static void forward_norm(const Sizes& s, const float* input, const float* weight, const float* bias, const float* scale,
                         const float* shift, float* running_mean, float* running_variance, double momentum, double epsilon,
                         bool training, float* statistics, float* output, float* activations, Code* winners) {
    int64_t channels = s.out_channels, pixel = channels * LANES, size = s.conv_size * LANES;
    Convolution convolution(s, weight, false, s.padded_width, s.padding, s.padding + s.height);
    float* images = lanes_for_images(s);
    float* one_group = activations ? nullptr : conv_buffer.get(size);
    float* pooled = pooled_buffer.get(s.pooled_size * LANES);
    auto* sums = reinterpret_cast<double*>(sums_buffer.zeros(2 * 4 * channels));  // mean and squares, of group and batch
    double *group_mean = sums, *group_squares = sums + channels, *mean = sums + 2 * channels, *squares = sums + 3 * channels;
    auto activate = [&](int64_t group) {
        float* to = activations ? activations + group * size : one_group;
        convolve(convolution, input_to_lanes(s, group, input, images), bias, 0, s.conv_height, (s.conv_width + 1) / 2, true, to);
        return to;
    };
    double count = 0;
    for (int64_t group = 0; training && group < s.groups; ++group) {  // statistics of groups, merged one by one
        const float* a = activate(group);
        double in_group = double(s.conv_height * s.conv_width) * s.lanes_used(group), total = count + in_group;
        std::fill_n(group_mean, 2 * channels, 0.0);
        auto value = [&](int64_t y, int64_t x, int64_t i, int64_t) { return load(a + (y * s.conv_width + x) * pixel + i); };
        add_channel_sums(s.conv_height, s.conv_width, channels, s.lanes_used(group), value, group_mean);
        for (int64_t c = 0; c < channels; ++c) group_mean[c] /= in_group;
        auto square = [&](int64_t y, int64_t x, int64_t i, int64_t c) {
            Vector difference = value(y, x, i, c) - float(group_mean[c]);
            return difference * difference;
        };
        add_channel_sums(s.conv_height, s.conv_width, channels, s.lanes_used(group), square, group_squares);
        for (int64_t c = 0; c < channels; ++c) {
            double apart = group_mean[c] - mean[c];
            squares[c] += group_squares[c] + apart * apart * count * in_group / total;
            mean[c] += apart * in_group / total;
        }
        count = total;
    }
    for (int64_t c = 0; c < channels; ++c) {
        double variance = training ? squares[c] / count : running_variance[c];
        if (!training) mean[c] = running_mean[c];
        statistics[c] = float(mean[c]);
        statistics[channels + c] = float(variance);
        statistics[2 * channels + c] = float(1 / std::sqrt(variance + epsilon));
        if (!training) continue;
        running_mean[c] = float((1 - momentum) * running_mean[c] + momentum * mean[c]);
        running_variance[c] = float((1 - momentum) * running_variance[c] + momentum * squares[c] / (count - 1));
    }
    auto normalised = [&](Vector v, int64_t c) {
        return (v - statistics[c]) * (statistics[2 * channels + c] * scale[c]) + shift[c];
    };
    Code* unkept = winners ? nullptr : winners_buffer.codes(s.pooled_size * LANES);
    for (int64_t group = 0; group < s.groups; ++group) {
        const float* a = training ? activations + group * size : activate(group);
        Code* won = winners ? winners + group * s.pooled_size * LANES : unkept;
        int64_t row = s.pooled_width * pixel;
        for (int64_t y = 0; y < s.pooled_height; ++y)
            pool_row(s, a + 2 * y * s.conv_width * pixel, false, normalised, pooled + y * row, won + y * row);
        transpose_group<false>(s, group, output, s.output_last, channels, s.pooled_height, s.pooled_width, 0, pooled);
    }
}

// The gradient before ReLU of one window's rows x columns pixels, from the activations after it; `gradient` is null where
// rows or columns are left over and nothing is pooled.
static void spread_gradient(const float* activations, int64_t row, float* to, int64_t to_row, int rows, int columns,
                            const float* gradient, const Code* winners, int64_t channels, const float* mean,
                            const float* factor, const float* offset, const float* slope) {
    int64_t pixel = channels * LANES;
    for (int64_t c = 0; c < channels; ++c) {
        float c_mean = mean[c], c_factor = factor[c], c_offset = offset[c], c_slope = slope[c];
        for (int64_t i = c * LANES; i < (c + 1) * LANES; i += WIDTH) {
            Vector of_winner = gradient ? load(gradient + i) : Vector{};
            Integers winner = gradient ? load_codes(winners + i) : Integers{};
            for (int y = 0; y < rows; ++y)
                for (int x = 0; x < columns; ++x) {
                    Vector value = load(activations + y * row + x * pixel + i);
                    Vector passed = Vector{} - c_offset - (value - c_mean) * c_slope;
                    passed += winner == y * 2 + x ? of_winner : Vector{};
                    store(to + y * to_row + x * pixel + i, value <= 0 ? Vector{} : c_factor * passed);
                }
        }
    }
}

// Gradients of the input, or of weights and bias, may be null as in plain.hpp.
//
// Batch norm spreads the gradient over all pixels: everything here is dense. Each group's gradient before ReLU is made
// in lane layout, with the border that the input's gradient needs, a convolution with the turned kernel.
static void backward_norm(const Sizes& s, const float* input, const float* weight, const float* scale, bool training,
                          const float* statistics, const float* activations, const Code* winners, const float* gradient,
                          float* input_gradient, float* weight_gradient, float* bias_gradient, float* scale_gradient,
                          float* shift_gradient) {
    int64_t channels = s.out_channels, pixel = channels * LANES, border = input_gradient ? s.kernel - 1 - s.padding : 0;
    int64_t width = s.conv_width + 2 * border, height = s.conv_height + 2 * border;
    int64_t pooled_lanes = s.pooled_size * LANES;
    const float *mean = statistics, *inverse = statistics + 2 * channels;
    auto* sums = reinterpret_cast<double*>(sums_buffer.zeros(2 * 3 * channels));
    double *of_gradient = sums, *of_product = sums + channels, *of_bias = sums + 2 * channels;
    float* pooled = pooled_buffer.get(s.groups * pooled_lanes);  // the gradient in lane layout, free lanes 0
    for (int64_t group = 0; group < s.groups; ++group) {
        float* g = pooled + group * pooled_lanes;
        transpose_group<true>(s, group, const_cast<float*>(gradient), s.gradient_last, channels, s.pooled_height, s.pooled_width, 0, g);
        for (int64_t i = 0; s.lanes_used(group) < LANES && i < pooled_lanes; i += LANES)
            std::fill(g + i + s.lanes_used(group), g + i + LANES, 0.0f);
        auto value = [&](int64_t y, int64_t x, int64_t i, int64_t) { return load(g + (y * s.pooled_width + x) * pixel + i); };
        add_channel_sums(s.pooled_height, s.pooled_width, channels, LANES, value, of_gradient);
        const float* a = activations + group * s.conv_size * LANES;
        const Code* won = winners + group * pooled_lanes;
        auto product = [&](int64_t y, int64_t x, int64_t i, int64_t c) {
            const float* first = a + (2 * y * s.conv_width + 2 * x) * pixel + i;
            Integers winner = load_codes(won + (y * s.pooled_width + x) * pixel + i);
            Vector winning = load(first);
            for (int place = 1; place < 4; ++place)
                winning = winner == place ? load(first + (place / 2 * s.conv_width + place % 2) * pixel) : winning;
            return value(y, x, i, c) * (winning - mean[c]);
        };
        add_channel_sums(s.pooled_height, s.pooled_width, channels, s.lanes_used(group), product, of_product);
    }
    double count = double(s.images) * s.conv_height * s.conv_width;
    NormGradient passed(channels, count, scale, inverse, training, of_gradient, of_product, scale_gradient, shift_gradient);
    const float *factor = passed.factor, *offset = passed.offset, *slope = passed.slope;
    if (!input_gradient && !weight_gradient) return;
    Convolution turned(s, weight, true, width, border, border + s.conv_height);
    float* before_relu = gradient_buffer.zeros((width * height + 1) * pixel);
    float* inside = before_relu + border * (width + 1) * pixel;
    float* images = weight_gradient ? lanes_for_images(s) : nullptr;
    float* moved = list_buffer.get(s.channels * s.height * s.width * LANES);
    WeightGradient of_weight(s, conv_buffer, winners_buffer);
    for (int64_t group = 0; group < s.groups; ++group) {
        const float* a = activations + group * s.conv_size * LANES;
        const Code* won = winners + group * pooled_lanes;
        const float* g = pooled + group * pooled_lanes;
        int lanes_used = s.lanes_used(group);
        for (int64_t y = 0; y < s.conv_height; y += 2)
            for (int64_t x = 0; x < s.conv_width; x += 2) {
                const float* from = a + (y * s.conv_width + x) * pixel;
                float* to = inside + (y * width + x) * pixel;
                int64_t window = (y / 2 * s.pooled_width + x / 2) * pixel;
                int rows = y / 2 < s.pooled_height ? 2 : 1, columns = x / 2 < s.pooled_width ? 2 : 1;
                spread_gradient(from, s.conv_width * pixel, to, width * pixel, rows, columns,
                                rows * columns == 4 ? g + window : nullptr, won + window, channels,
                                mean, factor, offset, slope);
            }
        if (weight_gradient) {
            auto value = [&](int64_t y, int64_t x, int64_t i, int64_t) { return load(inside + (y * width + x) * pixel + i); };
            add_channel_sums(s.conv_height, s.conv_width, channels, lanes_used, value, of_bias);
            for (int64_t i = 0; lanes_used < LANES && i < s.conv_height * width * pixel; i += LANES)
                std::fill(inside + i + lanes_used, inside + i + LANES, 0.0f);
            of_weight.add(input_to_lanes(s, group, input, images), inside, width * pixel, s.conv_height);
        }
        if (!input_gradient) continue;
        convolve(turned, before_relu, nullptr, 0, s.height, (s.width + 1) / 2, false, moved);
        transpose_group<false>(s, group, input_gradient, s.input_last, s.channels, s.height, s.width, 0, moved);
    }
    if (!weight_gradient) return;
    for (int64_t c = 0; c < channels; ++c) bias_gradient[c] = float(of_bias[c]);
    of_weight.finish(s, weight_gradient);
}
