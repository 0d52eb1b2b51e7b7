// Convolution -> ReLU -> pooling: forward and backward without batch norm.

#pragma once

#include "convolution.hpp"
#include "weight_gradient.hpp"

static void forward(const Sizes& s, const float* input, const float* weight, const float* bias, float* output,
                    Code* winners) {
    float* packed = pack_weights(s, weight, false, weights_buffer.get(s.taps * s.out_channels));
    float* images = images_buffer.zeros(s.padded_size * LANES);  // the border stays zero
    float* rows = conv_buffer.get(2 * s.conv_width * s.out_channels * LANES);
    float* pooled = pooled_buffer.get(s.pooled_size * LANES);
    Code* won = winners_buffer.codes(s.pooled_size * LANES);
    for (int64_t group = 0; group < s.groups; ++group) {
        input_to_lanes(s, group, input, images);
        for (int64_t y = 0; y < s.pooled_height; ++y) {
            convolve(images, s.padded_width, s.padding, s.padding + s.height, s.channels, s.kernel, packed, bias,
                     s.out_channels, 2 * y, 2, false, rows);
            int64_t at = y * s.pooled_width * s.out_channels * LANES;
            pool_row(s, rows, true, [](Vector v, int64_t) { return v; }, pooled + at, won + at);
        }
        transpose_group<false>(s, group, output, s.output_last, s.out_channels, s.pooled_height, s.pooled_width, 0, pooled);
        if (winners) codes_to_images(s, group, won, winners);
    }
}

// A pooling window lets the gradient through at one place of four, and ReLU at fewer, so the backward pass goes from
// winner to winner, image by image, with neighbouring columns and channels ([kx][channel]) in the lanes.
struct Winners {  // of one image, [window][output channel]
    float* gradient;
    std::int32_t *weights, *patch;  // where the winner's placed weights begin, and where its patch of the image does
};

static void list_winners(const Sizes& s, int64_t image, const float* gradient, const Code* codes,
                         const std::int32_t* windows, int64_t placed_size, const Winners& list) {
    int64_t count = s.pooled_height * s.pooled_width;
    gradient += image * s.pooled_size, codes += image * s.pooled_size;
    const float* from = gradient;
    if (!s.gradient_last || image + 1 == s.images) from = list.gradient;  // whole vectors are read
    if (s.gradient_last && image + 1 == s.images) std::memcpy(list.gradient, gradient, size_t(s.pooled_size) * 4);
    if (!s.gradient_last)
        for (int64_t c = 0; c < s.out_channels; ++c)
            for (int64_t window = 0; window < count; ++window)
                list.gradient[window * s.out_channels + c] = gradient[c * count + window];
    for (int64_t i = 0; i < s.pooled_size; i += WIDTH) {
        Integers code = load_codes(codes + i), place = code & 3;
        store(list.gradient + i, (code & 4) != 0 ? Vector{} : load(from + i));
        if (placed_size) store(list.weights + i, place * int(placed_size));
        store(list.patch + i, load<Integers>(windows + i) + (place >> 1) * int(s.padded_width * s.channels)
                                  + (place & 1) * int(s.channels));
    }
    std::fill_n(list.gradient + s.pooled_size, LANES, 0.0f);
}

// sums[i % (out_channels * WIDTH)] += gradient[i], whole vectors at a time: out_channels vectors hold each channel's sums
// in lanes of their own.
static void add_bias_sums(const Sizes& s, const float* gradient, float* sums) {
    for (int64_t i = 0; i < s.pooled_size;)
        for (int64_t j = 0; j < s.out_channels * WIDTH && i < s.pooled_size; j += WIDTH, i += WIDTH)
            store(sums + j, load(sums + j) + load(gradient + i));
}

// The weight gradient of one output channel, [ky][16 columns]: the sum over windows of gradient * winner's patch.
template <int KERNEL>
static void sparse_weight_gradient(const Sizes& s, const Winners& list, int64_t co, const float* rows, float* sum) {
    constexpr int CHAINS = WIDTH == 16 ? 2 : 1;  // sums that need not wait for one another
    Vector sums[CHAINS][KERNEL][PARTS];
    clear(sums);
    int64_t stride = s.padded_width * s.channels, i = co, step = s.out_channels;
    auto add = [&](int chain, int64_t winner) {
        const float* patch = rows + list.patch[winner];
        for (int ky = 0; ky < KERNEL; ++ky)
            for (int part = 0; part < PARTS; ++part)
                sums[chain][ky][part] += list.gradient[winner] * load(patch + ky * stride + part * WIDTH);
    };
    for (; i + (CHAINS - 1) * step < s.pooled_size; i += CHAINS * step)
        for (int chain = 0; chain < CHAINS; ++chain) add(chain, i + chain * step);
    for (; i < s.pooled_size; i += step) add(0, i);
    for (int ky = 0; ky < KERNEL; ++ky)
        for (int part = 0; part < PARTS; ++part) {
            Vector total = sums[0][ky][part];
            for (int chain = 1; chain < CHAINS; ++chain) total += sums[chain][ky][part];
            float* to = sum + ky * LANES + part * WIDTH;
            store(to, load(to) + total);
        }
}

// Weights as the input's gradient uses them: [block of ROWS rows of a window's patch][output channel][place of the winner]
// [row of the block][columns], already shifted to the place and 0 around, `columns` a multiple of 16 that holds
// (kernel + 1) * channels.
static void place_weights(const Sizes& s, const float* weight, int64_t rows, int64_t columns, float* placed) {
    for (int64_t co = 0; co < s.out_channels; ++co)
        for (int64_t ci = 0; ci < s.channels; ++ci)
            for (int64_t ky = 0; ky < s.kernel; ++ky)
                for (int64_t kx = 0; kx < s.kernel; ++kx)
                    for (int64_t place = 0; place < 4; ++place) {
                        int64_t row = ky + place / 2, block = row / rows, column = (kx + place % 2) * s.channels + ci;
                        placed[(((block * s.out_channels + co) * 4 + place) * rows + row % rows) * columns + column]
                            = weight[s.weight_index(co, ci, ky, kx)];
                    }
}

// Adds ROWS rows, SIZE * 16 columns, of all windows' patches to the image's gradient. Windows go down the columns: a
// load that overlaps in part with the store just before it would wait.
template <int SIZE, int ROWS>
static void add_patch_rows(const Sizes& s, const Winners& list, const float* placed, int64_t columns, float* rows) {
    int64_t stride = s.padded_width * s.channels;
    for (int64_t x = 0; x < s.pooled_width; ++x)
        for (int64_t y = 0; y < s.pooled_height; ++y) {
            float* to = rows + 2 * (y * s.padded_width + x) * s.channels;
            Vector sum[ROWS][SIZE * PARTS];
            for (int row = 0; row < ROWS; ++row)
                for (int part = 0; part < SIZE * PARTS; ++part) sum[row][part] = load(to + row * stride + part * WIDTH);
            int64_t i = (y * s.pooled_width + x) * s.out_channels;
            const float* weights = placed;
            for (int64_t co = 0; co < s.out_channels; ++co, ++i, weights += 4 * ROWS * columns) {
                const float* weight = weights + list.weights[i];
                for (int row = 0; row < ROWS; ++row)
                    for (int part = 0; part < SIZE * PARTS; ++part)
                        sum[row][part] += list.gradient[i] * load(weight + row * columns + part * WIDTH);
            }
            for (int row = 0; row < ROWS; ++row)
                for (int part = 0; part < SIZE * PARTS; ++part) store(to + row * stride + part * WIDTH, sum[row][part]);
        }
}

static void backward(const Sizes& s, const float* input, const float* weight, const float* gradient,
                     const Code* winners, float* input_gradient, float* weight_gradient, float* bias_gradient) {
    int64_t chunks = (s.kernel * s.channels + LANES - 1) / LANES;
    int64_t patch_chunks = ((s.kernel + 1) * s.channels + LANES - 1) / LANES, columns = patch_chunks * LANES;
    int64_t row_floats = s.padded_size + columns, list_size = s.pooled_size + LANES;  // vectors reach past the end
    int64_t at_once = input_gradient ? 8 : 1;  // images for which the placed weights are fetched once
    float* copy = images_buffer.zeros(row_floats);
    float* sums = sums_buffer.zeros(s.out_channels * chunks * s.kernel * LANES);
    float* bias_sums = factors_buffer.zeros(s.out_channels * WIDTH);
    float* gradients = pooled_buffer.get(at_once * list_size);
    auto* integers = reinterpret_cast<std::int32_t*>(list_buffer.get((2 * at_once + 1) * list_size));
    auto list_of = [=](int64_t i) {
        return Winners{gradients + i * list_size, integers + i * list_size, integers + (at_once + i) * list_size};
    };
    std::int32_t* windows = integers + 2 * at_once * list_size;  // where the patch of each window begins
    for (int64_t i = 0; i < s.pooled_size; ++i) {
        int64_t window = i / s.out_channels, y = window / s.pooled_width, x = window % s.pooled_width;
        windows[i] = int(2 * (y * s.padded_width + x) * s.channels);
    }
    float* placed = nullptr;
    int64_t rows_at_once = WIDTH == 16 && s.kernel == 5 ? 3 : 2, placed_size = rows_at_once * columns;
    if (input_gradient)
        place_weights(s, weight, rows_at_once, columns, placed = weights_buffer.zeros((s.kernel + 1) * s.out_channels * 4 * columns));
    for (int64_t first = 0; first < s.images; first += at_once) {
        int64_t images = std::min(at_once, s.images - first);
        for (int64_t i = 0; i < images; ++i) {
            Winners list = list_of(i);
            const float* rows = image_rows(s, input, first + i, copy);
            list_winners(s, first + i, gradient, winners, windows, input_gradient ? placed_size : 0, list);
            add_bias_sums(s, list.gradient, bias_sums);
            for (int64_t co = 0; co < s.out_channels; ++co)
                for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                    auto add = s.kernel == 3 ? sparse_weight_gradient<3> : sparse_weight_gradient<5>;
                    add(s, list, co, rows + chunk * LANES, sums + (co * chunks + chunk) * s.kernel * LANES);
                }
        }
        if (!input_gradient) continue;
        float* moved = gradient_buffer.zeros(at_once * row_floats);
        for (int64_t row = 0; row <= s.kernel; row += rows_at_once)
            for_blocks<3>(patch_chunks, [&](auto size, int64_t chunk) {
                auto add = rows_at_once == 3 ? add_patch_rows<size, 3> : add_patch_rows<size, 2>;
                for (int64_t i = 0; i < images; ++i)
                    add(s, list_of(i), placed + row * s.out_channels * 4 * columns + chunk * LANES, columns,
                        moved + i * row_floats + row * s.padded_width * s.channels + chunk * LANES);
            });
        for (int64_t i = 0; i < images; ++i)
            copy_image<false>(s, input_gradient + (first + i) * s.channels * s.height * s.width, moved + i * row_floats);
    }
    for (int64_t co = 0; co < s.out_channels; ++co) {
        double sum = 0;
        for (int64_t i = co; i < s.out_channels * WIDTH; i += s.out_channels) sum += bias_sums[i];
        bias_gradient[co] = float(sum);
    }
    unpack_weight_gradient(s, chunks, sums, weight_gradient);
}
