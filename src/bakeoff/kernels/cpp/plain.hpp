// Convolution -> ReLU -> pooling: forward and backward without batch norm.

#pragma once

#include "convolution.hpp"

#include <optional>

static void forward(const Sizes& s, const float* input, const float* weight, const float* bias, float* output,
                    Code* winners) {
    Convolution convolution(s, weight, false, s.padded_width, s.padding, s.padding + s.height);
    float* images = lanes_for_images(s);
    float* rows = conv_buffer.get(2 * s.conv_width * s.out_channels * LANES);
    float* pooled = pooled_buffer.get(s.pooled_size * LANES);
    Code* won = winners_buffer.codes(s.pooled_size * LANES);
    for (int64_t group = 0; group < s.groups; ++group) {
        input_to_lanes(s, group, input, images);
        for (int64_t y = 0; y < s.pooled_height; ++y) {
            convolve(convolution, images, bias, 2 * y, 2, s.pooled_width, false, rows);
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
    std::int32_t *place, *patch;  // the winner's place in its window, and where its patch of the image begins
};

// How an image is read by the weight gradient: as it lies, or from copies of its patches, [row][column][chunk][16 columns],
// in which each vector begins where a cache line does. A load that crosses from one line into the next takes two, and with
// many output channels each copy is read often enough; where pixels are whole vectors, they begin there anyway.
struct Patches {
    static constexpr int64_t FLOATS = 6144;  // copied at once: 24 KiB, so that the cache nearest to the core holds them
    bool copied;
    int64_t row, column;  // steps, in floats
    int64_t rows_at_once;  // of pooling windows
    int64_t capacity;  // rows of copies: those of several times, so that few are moved to the front for the next ones
    Patches(const Sizes& s, int64_t chunks) {
        bool whole = s.channels % LANES == 0;
        copied = WIDTH == LANES && s.out_channels >= 12 && !whole;
        column = copied ? chunks * LANES : s.channels;
        row = copied ? s.conv_width * column : s.padded_width * column;
        rows_at_once = copied || whole ? std::max<int64_t>(1, (FLOATS / row - s.kernel + 1) / 2) : s.pooled_height;
        capacity = 2 * rows_at_once + s.kernel + 7;
    }
    int64_t size() const { return copied ? capacity * row : 0; }
    void copy(const Sizes& s, const float* rows, int64_t first_row, int64_t num_rows, float* to) const {
        for (int64_t y = first_row; y < first_row + num_rows; ++y)
            for (int64_t x = 0; x < s.conv_width; ++x, to += column)
                for (int64_t i = 0; i < column; i += WIDTH) store(to + i, load(rows + (y * s.padded_width + x) * s.channels + i));
    }
};

// One image as [padded_height][padded_width][channels], or back; the border is left as it is.
template <bool TO_ROWS> static void copy_image(const Sizes& s, float* image, float* rows) {
    int64_t stride = s.padded_width * s.channels, length = s.width * s.channels;
    rows += s.padding * (stride + s.channels);
    for (int64_t y = 0; y < s.height; ++y, rows += stride)
        if (s.input_last) {
            std::memcpy(TO_ROWS ? rows : image + y * length, TO_ROWS ? image + y * length : rows, size_t(length) * 4);
        } else {
            for (int64_t c = 0; c < s.channels; ++c)
                for (int64_t x = 0; x < s.width; ++x) {
                    float &outside = image[(c * s.height + y) * s.width + x], &inside = rows[x * s.channels + c];
                    if (TO_ROWS) inside = outside;
                    else outside = inside;
                }
        }
}

// The image in rows as above: itself where it lies so and may be read a little past its end, else a copy.
static const float* image_rows(const Sizes& s, const float* input, int64_t image, float* copy) {
    float* from = const_cast<float*>(input) + image * s.channels * s.height * s.width;
    if (s.input_last && s.padding == 0 && image + 1 < s.images) return from;
    copy_image<true>(s, from, copy);
    return copy;
}

// From sums [out][chunk of 16 columns][ky][16].
static void unpack_weight_gradient(const Sizes& s, int64_t chunks, const float* sums, float* weight_gradient) {
    for (int64_t co = 0; co < s.out_channels; ++co)
        for (int64_t ci = 0; ci < s.channels; ++ci)
            for (int64_t ky = 0; ky < s.kernel; ++ky)
                for (int64_t kx = 0; kx < s.kernel; ++kx) {
                    int64_t column = kx * s.channels + ci;
                    weight_gradient[s.weight_index(co, ci, ky, kx)]
                        = sums[((co * chunks + column / LANES) * s.kernel + ky) * LANES + column % LANES];
                }
}

static void list_winners(const Sizes& s, int64_t image, const float* gradient, const Code* codes,
                         const std::int32_t* windows, const Patches& patches, const Winners& list) {
    int64_t count = s.pooled_height * s.pooled_width;
    gradient += image * s.pooled_size, codes += image * s.pooled_size;
    // Whole vectors are read: of the last images from a copy.
    bool copied = s.gradient_last && (s.images - image) * s.pooled_size < padded(s.pooled_size);
    const float* from = copied || !s.gradient_last ? list.gradient : gradient;
    if (copied) std::memcpy(list.gradient, gradient, size_t(s.pooled_size) * 4);
    int64_t c = 0;
    for (; !s.gradient_last && c + LANES <= s.out_channels; c += LANES) {
        float* planes[LANES];
        for (int plane = 0; plane < LANES; ++plane) planes[plane] = const_cast<float*>(gradient) + (c + plane) * count;
        transpose_run<true>(planes, list.gradient + c, s.out_channels, count, LANES);
    }
    for (; !s.gradient_last && c < s.out_channels; ++c)
        for (int64_t window = 0; window < count; ++window)
            list.gradient[window * s.out_channels + c] = gradient[c * count + window];
    for (int64_t i = 0; i < s.pooled_size; i += WIDTH) {
        Integers code = load_codes(codes + i), place = code & 3;
        store(list.gradient + i, (code & 4) != 0 ? Vector{} : load(from + i));
        store(list.place + i, place);
        store(list.patch + i, load<Integers>(windows + i) + (place >> 1) * int(patches.row)
                                  + (place & 1) * int(patches.column));
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

// The weight gradient of one output channel, SIZE chunks of [ky][16 columns]: the sum over some windows of
// gradient * winner's patch. `patches` begins at the list's place `origin`.
template <int KERNEL, int SIZE>
static void sparse_weight_gradient(const Sizes& s, const Winners& list, int64_t first, int64_t end, const float* patches,
                                   int64_t row, int64_t origin, float* sum) {
    constexpr int CHAINS = SIZE * PARTS == 1 ? 2 : 1;  // sums that need not wait for one another
    Vector sums[CHAINS][SIZE][KERNEL][PARTS];
    clear(sums);
    int64_t i = first, step = s.out_channels;
    auto add = [&](int chain, int64_t winner) {
        const float* patch = patches + (list.patch[winner] - origin);
        for (int ky = 0; ky < KERNEL; ++ky)
            for (int chunk = 0; chunk < SIZE; ++chunk)
                for (int part = 0; part < PARTS; ++part)
                    sums[chain][chunk][ky][part] += list.gradient[winner] * load(patch + ky * row + chunk * LANES + part * WIDTH);
    };
    for (; i + (CHAINS - 1) * step < end; i += CHAINS * step)
        for (int chain = 0; chain < CHAINS; ++chain) add(chain, i + chain * step);
    for (; i < end; i += step) add(0, i);
    for (int chunk = 0; chunk < SIZE; ++chunk)
        for (int ky = 0; ky < KERNEL; ++ky)
            for (int part = 0; part < PARTS; ++part) {
                Vector total = sums[0][chunk][ky][part];
                for (int chain = 1; chain < CHAINS; ++chain) total += sums[chain][chunk][ky][part];
                float* to = sum + (chunk * KERNEL + ky) * LANES + part * WIDTH;
                store(to, load(to) + total);
            }
}

constexpr int CHUNKS = WIDTH == 16 ? 2 : 1;  // whose sums stay in registers

// Adds one image to sums [out][chunk][ky][16].
static void add_weight_gradient(const Sizes& s, const Patches& patches, const Winners& list, const float* rows, int64_t chunks,
                                float* copies, float* sums) {
    int64_t line = s.pooled_width * s.out_channels, begin = 0, copied = 0;  // rows begin..copied lie in the copies
    for (int64_t y = 0; y < s.pooled_height; y += patches.rows_at_once) {
        int64_t end = std::min(y + patches.rows_at_once, s.pooled_height), end_row = 2 * end + s.kernel - 1;
        if (patches.copied) {
            if (end_row - begin > patches.capacity) {
                std::memmove(copies, copies + (2 * y - begin) * patches.row, size_t((copied - 2 * y) * patches.row) * 4);
                begin = 2 * y;
            }
            patches.copy(s, rows, copied, end_row - copied, copies + (copied - begin) * patches.row);
            copied = end_row;
        }
        for (int64_t co = 0; co < s.out_channels; ++co)
            for_blocks<CHUNKS>(chunks, [&](auto size, int64_t chunk) {
                auto add = s.kernel == 3 ? sparse_weight_gradient<3, size> : sparse_weight_gradient<5, size>;
                add(s, list, y * line + co, end * line, (patches.copied ? copies : rows) + chunk * LANES, patches.row,
                    begin * patches.row, sums + (co * chunks + chunk) * s.kernel * LANES);
            });
    }
}

// Weights as the input's gradient uses them: [block of vectors][output channel][place of the winner][vectors of the block],
// where the vectors of all blocks are a window's patch, [kernel + 1 rows][kernel + 1 columns][channel]; already shifted to
// the place and 0 around.
constexpr int PATCH_VECTORS = WIDTH == 16 ? 7 : 10;  // whose sums stay in registers

static int64_t patch_size(const Sizes& s) { return (s.kernel + 1) * (s.kernel + 1) * s.channels; }
static int64_t patch_vectors(const Sizes& s) { return (patch_size(s) + WIDTH - 1) / WIDTH; }

static void place_weights(const Sizes& s, const float* weight, float* placed) {
    int64_t columns = (s.kernel + 1) * s.channels;
    for_blocks<PATCH_VECTORS>(patch_vectors(s), [&](auto size, int64_t first) {
        int64_t begin = first * WIDTH, length = size * WIDTH;
        float* block = placed + begin * s.out_channels * 4;
        for (int64_t i = 0; i < 4 * length; ++i) {
            int64_t place = i / length, at = begin + i % length;
            int64_t ky = at / columns - place / 2, kx = at % columns / s.channels - place % 2;
            bool inside = 0 <= ky && ky < s.kernel && 0 <= kx && kx < s.kernel;
            const float* from = inside ? weight + s.weight_index(0, at % s.channels, ky, kx) : nullptr;
            for (int64_t co = 0; co < s.out_channels; ++co) block[co * 4 * length + i] = from ? from[co * s.taps] : 0.0f;
        }
    });
}

// SIZE vectors of all windows' patches, [window][vectors of a patch].
template <int SIZE> static void sum_patches(const Sizes& s, const Winners& list, const float* placed, int64_t step, float* patches) {
    int64_t i = 0;
    for (int64_t window = 0; window < s.pooled_height * s.pooled_width; ++window, patches += step) {
        Vector sum[SIZE];
        clear(sum);
        const float* weights = placed;
        for (int64_t co = 0; co < s.out_channels; ++co, ++i, weights += 4 * SIZE * WIDTH) {
            const float* weight = weights + (list.place[i] * SIZE) * WIDTH;
            for (int j = 0; j < SIZE; ++j) sum[j] += list.gradient[i] * load(weight + j * WIDTH);
        }
        for (int j = 0; j < SIZE; ++j) store(patches + j * WIDTH, sum[j]);
    }
}

// Adds the patches of all windows to the image's gradient. Windows go down the columns: a load that overlaps in part with
// the store just before it would wait.
static void add_patches(const Sizes& s, const float* patches, int64_t step, float* rows) {
    int64_t stride = s.padded_width * s.channels, columns = (s.kernel + 1) * s.channels;
    for (int64_t x = 0; x < s.pooled_width; ++x)
        for (int64_t y = 0; y < s.pooled_height; ++y) {
            const float* from = patches + (y * s.pooled_width + x) * step;
            float* to = rows + 2 * (y * s.padded_width + x) * s.channels;
            for (int64_t row = 0; row <= s.kernel; ++row, from += columns, to += stride) {
                int64_t i = 0;
                for (; i + WIDTH <= columns; i += WIDTH) store(to + i, load(to + i) + load(from + i));
                for (; i + 4 <= columns; i += 4) store(to + i, load<Quad>(to + i) + load<Quad>(from + i));
                for (; i < columns; ++i) to[i] += from[i];
            }
        }
}

// The input's gradient where a pixel's channels are whole vectors: what the winners at one place of a window add to the same
// pixels is summed in registers, with no zeros around the weights.
class WholePixels {
    static constexpr int VECTORS = WIDTH == 16 ? 18 : 10;  // whose sums stay in registers
    const Sizes& s;
    float *weights, *gradients;  // [block of vectors][output channel][vectors of the block] of [ky][kx][channel]; [window][place][winner]
    std::int32_t* channels;      // of each winner
    std::uint64_t* numbers;      // of each window: 16 bits for the winners at each place
    void sort(const Winners& list) const {
        for (int64_t window = 0, i = 0; window < s.pooled_height * s.pooled_width; ++window) {
            std::uint64_t number = 0;
            for (int64_t co = 0; co < s.out_channels; ++co, ++i) {
                int64_t place = list.place[i], to = (window * 4 + place) * s.out_channels + int64_t(number >> (16 * place) & 0xffff);
                gradients[to] = list.gradient[i], channels[to] = int(co);
                number += std::uint64_t(1) << (16 * place);
            }
            numbers[window] = number;
        }
    }
    template <int SIZE> void add_block(const float* block, int64_t first, float* rows) const {
        int64_t at[SIZE], row = s.kernel * s.channels;
        for (int j = 0; j < SIZE; ++j) {
            int64_t i = (first + j) * WIDTH;
            at[j] = i / row * s.padded_width * s.channels + i % row;
        }
        for (int64_t window = 0; window < s.pooled_height * s.pooled_width; ++window)
            for (int64_t place = 0; place < 4; ++place) {
                int64_t begin = (window * 4 + place) * s.out_channels, number = int64_t(numbers[window] >> (16 * place) & 0xffff);
                int64_t y = window / s.pooled_width * 2 + place / 2, x = window % s.pooled_width * 2 + place % 2;
                Vector sum[SIZE];
                _Pragma("GCC unroll 18") for (int j = 0; j < SIZE; ++j) sum[j] = Vector{};
                for (int64_t i = begin; i < begin + number; ++i) {
                    const float* weight = block + channels[i] * (SIZE * WIDTH);
                    float gradient = gradients[i];
                    _Pragma("GCC unroll 18") for (int j = 0; j < SIZE; ++j) sum[j] += gradient * load(weight + j * WIDTH);
                }
                float* to = rows + (y * s.padded_width + x) * s.channels;
                _Pragma("GCC unroll 18") for (int j = 0; j < SIZE; ++j) store(to + at[j], load(to + at[j]) + sum[j]);
            }
    }
public:
    static bool takes(const Sizes& s) { return s.channels % LANES == 0 && s.out_channels < 1 << 16; }
    WholePixels(const Sizes& s, const float* weight) : s(s), weights(weights_buffer.get(s.taps * s.out_channels)) {
        int64_t windows = s.pooled_height * s.pooled_width, places = 4 * s.pooled_size;
        numbers = reinterpret_cast<std::uint64_t*>(winners_buffer.get(2 * windows + 2 * places));
        gradients = reinterpret_cast<float*>(numbers + windows);
        channels = reinterpret_cast<std::int32_t*>(gradients + places);
        float* to = weights;
        for_blocks<VECTORS>(s.taps / WIDTH, [&](auto size, int64_t first) {
            for (int64_t co = 0; co < s.out_channels; ++co)
                for (int64_t i = first * WIDTH; i < (first + size) * WIDTH; ++i) {
                    int64_t tap = i / s.channels;
                    *to++ = weight[s.weight_index(co, i % s.channels, tap / s.kernel, tap % s.kernel)];
                }
        });
    }
    void add(const Winners& list, float* rows) const {
        sort(list);
        for_blocks<VECTORS>(s.taps / WIDTH, [&](auto size, int64_t first) {
            add_block<size>(weights + first * WIDTH * s.out_channels, first, rows);
        });
    }
};

// The gradient of the input, or those of the weights and the bias, may be null: not wanted.
static void backward(const Sizes& s, const float* input, const float* weight, const float* gradient,
                     const Code* winners, float* input_gradient, float* weight_gradient, float* bias_gradient) {
    int64_t chunks = (s.kernel * s.channels + LANES - 1) / LANES, list_size = s.pooled_size + LANES;  // whole vectors
    // Images for which the placed weights are fetched once: few where their patches would leave the second-level cache.
    int64_t num_windows = s.pooled_height * s.pooled_width;
    bool whole = input_gradient && WholePixels::takes(s);
    int64_t at_once = input_gradient && !whole ? std::clamp<int64_t>(256 / num_windows, 1, 8) : 1;
    Patches patches(s, chunks);
    float* copy = images_buffer.zeros(s.padded_size + chunks * LANES);
    float* copies = conv_buffer.get(patches.size());
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
        windows[i] = int(2 * (y * patches.row + x * patches.column));
    }
    int64_t step = patch_vectors(s) * WIDTH;
    float *placed = nullptr, *window_patches = nullptr;
    std::optional<WholePixels> pixels;
    if (whole) {
        pixels.emplace(s, weight);
    } else if (input_gradient) {
        place_weights(s, weight, placed = weights_buffer.get(s.out_channels * 4 * step));
        window_patches = winners_buffer.get(at_once * num_windows * step);
    }
    for (int64_t first = 0; first < s.images; first += at_once) {
        int64_t images = std::min(at_once, s.images - first);
        for (int64_t i = 0; i < images; ++i) {
            Winners list = list_of(i);
            list_winners(s, first + i, gradient, winners, windows, patches, list);
            if (!weight_gradient) continue;
            add_bias_sums(s, list.gradient, bias_sums);
            add_weight_gradient(s, patches, list, image_rows(s, input, first + i, copy), chunks, copies, sums);
        }
        if (!input_gradient) continue;
        if (!whole) for_blocks<PATCH_VECTORS>(patch_vectors(s), [&](auto size, int64_t vector) {
            for (int64_t i = 0; i < images; ++i)
                sum_patches<size>(s, list_of(i), placed + vector * WIDTH * s.out_channels * 4, step,
                                  window_patches + i * num_windows * step + vector * WIDTH);
        });
        for (int64_t i = 0; i < images; ++i) {
            float* moved = gradient_buffer.zeros(s.padded_size);
            if (whole) pixels->add(list_of(i), moved);
            else add_patches(s, window_patches + i * num_windows * step, step, moved);
            copy_image<false>(s, input_gradient + (first + i) * s.channels * s.height * s.width, moved);
        }
    }
    if (!weight_gradient) return;
    for (int64_t co = 0; co < s.out_channels; ++co) {
        double sum = 0;
        for (int64_t i = co; i < s.out_channels * WIDTH; i += s.out_channels) sum += bias_sums[i];
        bias_gradient[co] = float(sum);
    }
    unpack_weight_gradient(s, chunks, sums, weight_gradient);
}
