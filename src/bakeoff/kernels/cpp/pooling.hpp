// Pooling of windows that do not overlap, and layers that only move rows: to lanes, from lanes, and a source as a tensor.

#pragma once

#include "direct.hpp"

static thread_local Buffer window_buffer, pooled_row_buffer;

// Where a window is cut off at the edge it is smaller, as with PyTorch's ceil_mode.
static void pool_forward(const Layer& l) {
    int64_t channels = l.channels, column = channels * L;
    MakeRow make_row(l.source, l.width, channels);
    ResultRows result(l);
    float* row = window_buffer.get(source_row(l));
    for (int64_t group = 0; group < groups_of(l); ++group) {
        auto make = [&](int64_t y) { make_row(group * source_size(l) + y * source_row(l), row); };
        int64_t y = 0;
        for (int64_t out = 0; out < l.out_height; ++out) {
            float* to = result.at(group, out);
            int64_t first = y, end = std::min(y + l.kernel_height, l.height);
            for (; y < end; ++y) {
                make(y);
                for (int64_t x = 0, out_x = 0; out_x < l.out_width; ++out_x)
                    for (int64_t begin = x, last = std::min(x + l.kernel_width, l.width); x < last; ++x)
                        for (int64_t i = 0; i < column; i += L) {
                            float* place = to + out_x * column + i;
                            Vector v = load(row + x * column + i);
                            if (y > first || x > begin) {
                                Vector before = load(place);
                                // NaN is greater than anything, the last one the greatest.
                                v = !l.maximum ? before + v : v > before || v != v ? v : before;
                            }
                            store(place, v);
                        }
            }
            for (int64_t out_x = 0; !l.maximum && out_x < l.out_width; ++out_x) {
                int64_t width = std::min(l.kernel_width, l.width - out_x * l.kernel_width);
                Vector number = spread(float((end - first) * width));
                for (int64_t i = out_x * column; i < (out_x + 1) * column; i += L) store(to + i, load(to + i) / number);
            }
            result.take(group, out, to);
            result.end_rows();
        }
        for (; l.source.stored && y < l.height; ++y) make(y);
        result.end_group(group);
    }
    result.finish();
}

static void pool_backward(const Layer& l) {
    int64_t channels = l.channels, column = channels * L, rows_at_once = std::min(l.kernel_height, l.height);
    Source kept = stored_source(l.source);
    MakeRow make_row(kept, l.width, channels);
    ResultGradientRows result(l);
    SourceGradientRows source(l);
    float* gradient = pooled_row_buffer.get(result_row(l));
    int64_t row = source_row(l);
    float* window = window_buffer.get((l.maximum ? 2 : 1) * rows_at_once * row);
    float* values = window + rows_at_once * row;  // of the source, for maxima
    for (int64_t group = 0; group < groups_of(l); ++group) {
        int64_t y = 0;
        for (int64_t out = 0; out < l.out_height; ++out) {
            result(group, out, gradient, column);
            result.end_rows();
            if (!source.needed()) continue;
            int64_t rows = std::min(l.kernel_height, l.height - y), covered = std::min(l.out_width * l.kernel_width, l.width);
            std::memset(window, 0, size_t(rows * row) * 4);
            for (int64_t i = 0; l.maximum && i < rows; ++i) make_row(group * source_size(l) + (y + i) * row, values + i * row);
            for (int64_t out_x = 0; out_x < l.out_width; ++out_x) {
                int64_t begin = out_x * l.kernel_width, width = std::min(begin + l.kernel_width, covered) - begin;
                for (int64_t i = 0; i < column; i += L) {
                    Vector g = load(gradient + out_x * column + i);
                    int64_t at = begin * column + i;
                    if (!l.maximum) g = g / spread(float(rows * width));
                    Integers winner = {};
                    if (l.maximum) {
                        Vector best = load(values + at);
                        for (int place = 1; place < rows * width; ++place) {
                            Vector v = load(values + at + place / width * row + place % width * column);
                            Integers wins = v > best || v != v;
                            best = wins ? v : best, winner = wins ? Integers{} + place : winner;
                        }
                    }
                    for (int place = 0; place < rows * width; ++place) {
                        Vector part = g;
                        if (l.maximum) part = winner == place ? g : Vector{};
                        store(window + at + place / width * row + place % width * column, part);
                    }
                }
            }
            for (int64_t i = 0; i < rows; ++i) source.take(group, y + i, window + i * row);
            source.end_rows();
            y += rows;
        }
        if (source.needed() && y < l.height) {
            std::memset(window, 0, size_t(row) * 4);
            for (; y < l.height; ++y) source.take(group, y, window);
            source.end_rows();
        }
        result.end_group(group);
        source.end_group(group);
    }
    result.finish();
    source.finish();
}

// A source that several others are made of is stored, and where something else needs its values as a tensor, a result.
static void copy_forward(const Layer& l) {
    MakeRow make_row(l.source, l.width, l.channels);
    ResultRows result(l);
    float* row = window_buffer.get(source_row(l));
    for (int64_t group = 0; group < groups_of(l); ++group) {
        for (int64_t y = 0; y < l.height; ++y) {
            float* to = l.result.values ? result.at(group, y) : row;
            make_row(group * source_size(l) + y * source_row(l), to);
            if (l.result.values) result.take(group, y, to);
            result.end_rows();
        }
        result.end_group(group);
    }
    result.finish();
}

static void copy_backward(const Layer& l) {
    ResultGradientRows result(l);
    SourceGradientRows source(l);
    float* row = window_buffer.zeros(source_row(l));
    for (int64_t group = 0; group < groups_of(l); ++group) {
        for (int64_t y = 0; y < l.height; ++y) {
            if (l.result.values) result(group, y, row, l.channels * L);
            if (source.needed()) source.take(group, y, row);
            source.end_rows();
        }
        source.end_group(group);
    }
    source.finish();
}

// Row y of a group, between lanes and the caller's tensor (channels last or not). Free lanes repeat the last image, or
// are 0 where it is a gradient.
template <bool TO_LANES>
static void move_row(const Layer& l, int64_t group, int64_t y, float* tensor, bool channels_last, float* row, float* zeros) {
    int64_t size = l.channels * l.height * l.width, length = channels_last ? l.width * l.channels : l.width;
    for (int64_t plane = 0; plane < (channels_last ? 1 : l.channels); ++plane) {
        float* image[L];
        for (int lane = 0; lane < L; ++lane) {
            int64_t number = std::min(group * L + lane, l.images - 1);
            image[lane] = zeros && group * L + lane >= l.images ? zeros : tensor + number * size + (plane * l.height + y) * length;
        }
        transpose_run<TO_LANES, L>(image, row + plane * L, channels_last ? L : l.channels * L, length, lanes_used(l, group));
    }
}

static void enter_forward(const Layer& l, const float* tensor, bool channels_last) {
    for (int64_t group = 0; group < groups_of(l); ++group)
        for (int64_t y = 0; y < l.height; ++y)
            move_row<true>(l, group, y, const_cast<float*>(tensor), channels_last,
                           l.result.values + group * result_size(l) + y * result_row(l), nullptr);
}

static void enter_backward(const Layer& l, float* tensor, bool channels_last) {
    float* from = const_cast<float*>(l.result_gradient.gradient);
    for (int64_t group = 0; group < groups_of(l); ++group)
        for (int64_t y = 0; y < l.height; ++y)
            move_row<false>(l, group, y, tensor, channels_last, from + group * result_size(l) + y * result_row(l), nullptr);
}

static void leave_forward(const Layer& l, float* tensor, bool channels_last) {
    MakeRow make_row(l.source, l.width, l.channels);
    float* row = window_buffer.get(source_row(l));
    for (int64_t group = 0; group < groups_of(l); ++group)
        for (int64_t y = 0; y < l.height; ++y) {
            make_row(group * source_size(l) + y * source_row(l), row);
            move_row<false>(l, group, y, tensor, channels_last, row, nullptr);
        }
}

static void leave_backward(const Layer& l, const float* tensor, bool channels_last) {
    SourceGradientRows source(l);
    float* row = window_buffer.get(source_row(l));
    float* zeros = pooled_row_buffer.zeros(l.width * l.channels);
    for (int64_t group = 0; group < groups_of(l); ++group) {
        for (int64_t y = 0; y < l.height; ++y) {
            move_row<true>(l, group, y, const_cast<float*>(tensor), channels_last, row, zeros);
            source.take(group, y, row);
            source.end_rows();
        }
        source.end_group(group);
    }
    source.finish();
}
