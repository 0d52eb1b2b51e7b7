// Convolution -> ReLU -> (batch norm) -> 2 x 2 max pooling, forward and backward, on one thread of a CPU.
//
// For small nets: general kernels put channels into the lanes of a vector and waste most of them on 3, 6 or 16
// channels. Here 16 images lie side by side ("lane layout": [row][column][channel][16]), so any number of channels
// fills the lanes. The same source is built once for each instruction set; a vector has 16, 8 or 4 floats.
//
// Tensors are dense float32, [N][C][H][W] or channels last ([N][H][W][C]). In a last group of fewer than 16 images
// the free lanes repeat its last image: nothing is read past the end, and nothing of them is kept.
// Each sum has one order: same input, same bytes. NaN passes through. The only state is scratch memory, a thread's own.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "standardise.hpp"

#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX2__)
constexpr int WIDTH = 8;
#else
constexpr int WIDTH = 4;
#endif
constexpr int LANES = 16;
constexpr int PARTS = LANES / WIDTH;  // vectors for 16 floats
constexpr int MAX_BLOCK = 6;          // output channels whose sums one pass keeps in registers

using std::int64_t;
typedef float Vector __attribute__((vector_size(4 * WIDTH)));
typedef std::int32_t Integers __attribute__((vector_size(4 * WIDTH)));
typedef float Quad __attribute__((vector_size(16)));
typedef std::uint8_t Code;  // which of a window's pixels won; see pool_row
typedef Code Codes __attribute__((vector_size(WIDTH)));
typedef std::uint16_t Halves __attribute__((vector_size(2 * WIDTH)));
typedef Code LaneCodes __attribute__((vector_size(LANES)));

template <class V = Vector, class T> static inline V load(const T* from) {
    V vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}
template <class V, class T> static inline void store(T* to, V vector) { std::memcpy(to, &vector, sizeof vector); }
// Has a vector that is used several times loaded once: compilers would read it from memory in each use, and a load that
// crosses a cache line takes two.
static inline void keep_in_register(Vector& v) {
#if defined(__x86_64__)
    asm("" : "+v"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#endif
}
// By way of 16 bits where GCC 12 would go element by element.
static inline Integers load_codes(const Code* from) {
    return __builtin_convertvector(__builtin_convertvector(load<Codes>(from), Halves), Integers);
}
static inline void store_codes(Code* to, Integers codes) {
    if constexpr (WIDTH == 16) store(to, __builtin_convertvector(codes, Codes));
    else store(to, __builtin_convertvector(__builtin_convertvector(codes, Halves), Codes));
}
// Zeros, vector by vector: `= {}` of a larger array goes through memory.
template <class Array> static inline void clear(Array& vectors) {
    if constexpr (std::is_array_v<Array>) for (auto& inner : vectors) clear(inner);
    else vectors = Array{};
}
static inline Vector relu(Vector v) { return v <= 0 ? Vector{} : v; }  // NaN <= 0 is false: it stays NaN

extern "C" struct Shape {  // as library.py passes it
    int64_t images, channels, height, width, kernel, padding, out_channels;
    int64_t input_last, weight_last, output_last, gradient_last;  // whether that tensor is channels last
};

struct Sizes : Shape {
    int64_t groups, padded_height, padded_width, conv_height, conv_width, pooled_height, pooled_width;
    int64_t taps, padded_size, conv_size, pooled_size;  // sizes of one image
    explicit Sizes(const Shape& shape) : Shape(shape) {
        groups = (images + LANES - 1) / LANES;
        padded_height = height + 2 * padding, padded_width = width + 2 * padding;
        conv_height = padded_height - kernel + 1, conv_width = padded_width - kernel + 1;
        pooled_height = conv_height / 2, pooled_width = conv_width / 2;
        taps = kernel * kernel * channels;
        padded_size = padded_height * padded_width * channels;
        conv_size = conv_height * conv_width * out_channels;
        pooled_size = pooled_height * pooled_width * out_channels;
    }
    int64_t weight_index(int64_t out, int64_t in, int64_t ky, int64_t kx) const {  // in the caller's tensor
        return weight_last ? ((out * kernel + ky) * kernel + kx) * channels + in
                           : ((out * channels + in) * kernel + ky) * kernel + kx;
    }
    int lanes_used(int64_t group) const { return int(std::min<int64_t>(LANES, images - group * LANES)); }
};

class Buffer {  // memory that grows and is used again
    float* memory = nullptr;
    size_t capacity = 0;
public:
    ~Buffer() { std::free(memory); }
    float* get(int64_t floats) {
        size_t bytes = (size_t(floats) * 4 + 63) / 64 * 64;
        if (bytes > capacity) {
            std::free(memory);
            capacity = 0;
            memory = static_cast<float*>(std::aligned_alloc(64, bytes));
            if (!memory) throw std::bad_alloc();
            capacity = bytes;
        }
        return memory;
    }
    float* zeros(int64_t floats) { return static_cast<float*>(std::memset(get(floats), 0, size_t(floats) * 4)); }
    Code* codes(int64_t count) { return reinterpret_cast<Code*>(get((count + 3) / 4)); }
};
static thread_local Buffer images_buffer, conv_buffer, pooled_buffer, winners_buffer, weights_buffer, gradient_buffer,
    sums_buffer, list_buffer, factors_buffer;

// ------------------------------------------------------------------------------- between images and lane layout

// A 4 x 4 transpose for each four lanes and four floats; `other[i * step + lane]` faces `image[lane][i]`.
template <bool TO_LANES>
static void transpose_run(float* const image[LANES], float* other, int64_t step, int64_t length, int lanes_used) {
    for (int64_t i = 0; i < length; i += 4) {
        if (i + 4 > length) {
            for (; i < length; ++i)
                for (int lane = 0; lane < (TO_LANES ? LANES : lanes_used); ++lane)
                    if (TO_LANES) other[i * step + lane] = image[lane][i];
                    else image[lane][i] = other[i * step + lane];
            break;
        }
        for (int lane = 0; lane < LANES; lane += 4) {
            Quad row[4];
            for (int j = 0; j < 4; ++j)
                row[j] = load<Quad>(TO_LANES ? image[lane + j] + i : other + (i + j) * step + lane);
            Quad a = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5), b = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
            Quad c = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5), d = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
            row[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5), row[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
            row[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5), row[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
            for (int j = 0; j < 4; ++j)
                if (TO_LANES) store(other + (i + j) * step + lane, row[j]);
                else if (lane + j < lanes_used) store(image[lane + j] + i, row[j]);
        }
    }
}

// One group of a tensor [N][C][H][W] (or channels last), to or from lane layout with `padding` untouched around it.
template <bool TO_LANES>
static void transpose_group(const Sizes& s, int64_t group, float* tensor, bool channels_last, int64_t channels,
                            int64_t height, int64_t width, int64_t padding, float* lanes) {
    int64_t size = channels * height * width, length = channels_last ? width * channels : width;
    int64_t row = (width + 2 * padding) * channels * LANES;
    float* image[LANES];
    for (int64_t plane = 0; plane < (channels_last ? 1 : channels); ++plane)
        for (int64_t y = 0; y < height; ++y) {
            for (int lane = 0; lane < LANES; ++lane)
                image[lane] = tensor + std::min(group * LANES + lane, s.images - 1) * size + (plane * height + y) * length;
            transpose_run<TO_LANES>(image, lanes + (y + padding) * row + (padding * channels + plane) * LANES,
                                    channels_last ? LANES : channels * LANES, length, s.lanes_used(group));
        }
}

// A group's codes from lane layout [i][16] to [image][i], 16 x 16 at a time.
static void codes_to_images(const Sizes& s, int64_t group, const Code* lanes, Code* images) {
    images += group * LANES * s.pooled_size;
    int64_t i = 0;
    for (; i + LANES <= s.pooled_size; i += LANES) {
        LaneCodes rows[LANES], next[LANES];
        for (int j = 0; j < LANES; ++j) rows[j] = load<LaneCodes>(lanes + (i + j) * LANES);
        for (int round = 0; round < 4; ++round) {  // each moves one bit of the row's number into the column's
            for (int j = 0; j < LANES / 2; ++j) {
                LaneCodes a = rows[j], b = rows[j + LANES / 2];
                next[2 * j] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
                next[2 * j + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            }
            std::memcpy(rows, next, sizeof rows);
        }
        for (int lane = 0; lane < s.lanes_used(group); ++lane) store(images + lane * s.pooled_size + i, rows[lane]);
    }
    for (; i < s.pooled_size; ++i)
        for (int lane = 0; lane < s.lanes_used(group); ++lane) images[lane * s.pooled_size + i] = lanes[i * LANES + lane];
}

static float* input_to_lanes(const Sizes& s, int64_t group, const float* input, float* lanes) {
    transpose_group<true>(s, group, const_cast<float*>(input), s.input_last, s.channels, s.height, s.width, s.padding, lanes);
    return lanes;
}

// ------------------------------------------------------------------------------------ convolution in lane layout

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

// -------------------------------------------------------------------------------- without batch norm between

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

// ------------------------------------------------------------------------ with batch norm between ReLU and pooling

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
    float* packed = pack_weights(s, weight, false, weights_buffer.get(s.taps * channels));
    float* images = images_buffer.zeros(s.padded_size * LANES);
    float* one_group = activations ? nullptr : conv_buffer.get(size);
    float* pooled = pooled_buffer.get(s.pooled_size * LANES);
    auto* sums = reinterpret_cast<double*>(sums_buffer.zeros(2 * 4 * channels));  // mean and squares, of group and batch
    double *group_mean = sums, *group_squares = sums + channels, *mean = sums + 2 * channels, *squares = sums + 3 * channels;
    auto activate = [&](int64_t group) {
        float* to = activations ? activations + group * size : one_group;
        convolve(input_to_lanes(s, group, input, images), s.padded_width, s.padding, s.padding + s.height, s.channels,
                 s.kernel, packed, bias, channels, 0, s.conv_height, true, to);
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

// The weight gradient of SIZE output channels and 16 columns, ROWS rows of the kernel: [output][chunk][ky][16] += the
// sum over an image's pixels of gradient * patch.
template <int SIZE, int ROWS>
static void dense_weight_gradient(const Sizes& s, const float* gradient, const float* rows, int64_t output_step, float* sum) {
    Vector sums[SIZE][ROWS][PARTS];
    clear(sums);
    int64_t stride = s.padded_width * s.channels;
    for (int64_t y = 0; y < s.conv_height; ++y)
        for (int64_t x = 0; x < s.conv_width; ++x, gradient += s.out_channels) {
            Vector pixels[ROWS][PARTS];
            for (int row = 0; row < ROWS; ++row)
                for (int part = 0; part < PARTS; ++part) {
                    pixels[row][part] = load(rows + (y + row) * stride + x * s.channels + part * WIDTH);
                    keep_in_register(pixels[row][part]);
                }
            for (int j = 0; j < SIZE; ++j)
                for (int row = 0; row < ROWS; ++row)
                    for (int part = 0; part < PARTS; ++part) sums[j][row][part] += gradient[j] * pixels[row][part];
        }
    for (int j = 0; j < SIZE; ++j)
        for (int row = 0; row < ROWS; ++row)
            for (int part = 0; part < PARTS; ++part) {
                float* to = sum + j * output_step + row * LANES + part * WIDTH;
                store(to, load(to) + sums[j][row][part]);
            }
}

static void add_dense_weight_gradient(const Sizes& s, const float* gradient, const float* rows, int64_t chunks, float* sums) {
    constexpr bool WHOLE = WIDTH == 16;  // enough registers for all rows of the kernel at once
    int64_t output_step = chunks * s.kernel * LANES, stride = s.padded_width * s.channels;
    for_blocks<WHOLE ? 5 : 6>(s.out_channels, [&](auto size, int64_t first) {
        for (int64_t chunk = 0; chunk < chunks; ++chunk)
            for (int64_t ky = 0; ky < s.kernel; ky += WHOLE ? s.kernel : 1) {
                auto add = !WHOLE ? dense_weight_gradient<size, 1> : s.kernel == 3 ? dense_weight_gradient<size, WHOLE ? 3 : 1>
                                                                                   : dense_weight_gradient<size, WHOLE ? 5 : 1>;
                add(s, gradient + first, rows + ky * stride + chunk * LANES, output_step,
                    sums + first * output_step + (chunk * s.kernel + ky) * LANES);
            }
    });
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

// Batch norm spreads the gradient over all pixels: everything here is dense. Each group's gradient before ReLU is made
// in lane layout, with the border that the input's gradient needs, a convolution with the turned kernel.
static void backward_norm(const Sizes& s, const float* input, const float* weight, const float* scale, bool training,
                          const float* statistics, const float* activations, const Code* winners, const float* gradient,
                          float* input_gradient, float* weight_gradient, float* bias_gradient, float* scale_gradient,
                          float* shift_gradient) {
    int64_t channels = s.out_channels, pixel = channels * LANES, border = input_gradient ? s.kernel - 1 - s.padding : 0;
    int64_t width = s.conv_width + 2 * border, height = s.conv_height + 2 * border;
    int64_t chunks = (s.kernel * s.channels + LANES - 1) / LANES, pooled_lanes = s.pooled_size * LANES;
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
    float *factor = factors_buffer.get(3 * channels), *offset = factor + channels, *slope = offset + channels;
    for (int64_t c = 0; c < channels; ++c) {
        shift_gradient[c] = float(of_gradient[c]);
        scale_gradient[c] = float(of_product[c] * inverse[c]);
        factor[c] = scale[c] * inverse[c];
        offset[c] = training ? float(of_gradient[c] / count) : 0;
        slope[c] = training ? float(of_product[c] / count * inverse[c] * inverse[c]) : 0;
    }
    float* packed = input_gradient ? pack_weights(s, weight, true, weights_buffer.get(s.taps * channels)) : nullptr;
    float* before_relu = gradient_buffer.zeros(width * height * pixel);
    float* by_image = conv_buffer.get(s.conv_size * LANES);
    float* copy = images_buffer.zeros(s.padded_size + chunks * LANES);
    float* moved = list_buffer.get(s.channels * s.height * s.width * LANES);
    float* weight_sums = winners_buffer.zeros(channels * chunks * s.kernel * LANES);
    for (int64_t group = 0; group < s.groups; ++group) {
        const float* a = activations + group * s.conv_size * LANES;
        const Code* won = winners + group * pooled_lanes;
        const float* g = pooled + group * pooled_lanes;
        Sizes part = s;
        part.images = s.lanes_used(group);
        for (int64_t y = 0; y < s.conv_height; y += 2)
            for (int64_t x = 0; x < s.conv_width; x += 2) {
                const float* from = a + (y * s.conv_width + x) * pixel;
                float* to = before_relu + ((y + border) * width + x + border) * pixel;
                int64_t window = (y / 2 * s.pooled_width + x / 2) * pixel;
                int rows = y / 2 < s.pooled_height ? 2 : 1, columns = x / 2 < s.pooled_width ? 2 : 1;
                spread_gradient(from, s.conv_width * pixel, to, width * pixel, rows, columns,
                                rows * columns == 4 ? g + window : nullptr, won + window, channels,
                                mean, factor, offset, slope);
            }
        auto value = [&](int64_t y, int64_t x, int64_t i, int64_t) {
            return load(before_relu + ((y + border) * width + x + border) * pixel + i);
        };
        add_channel_sums(s.conv_height, s.conv_width, channels, part.images, value, of_bias);
        transpose_group<false>(part, 0, by_image, true, channels, s.conv_height, s.conv_width, border, before_relu);
        for (int64_t lane = 0; lane < part.images; ++lane) {
            int64_t image = group * LANES + lane;
            add_dense_weight_gradient(s, by_image + lane * s.conv_size, image_rows(s, input, image, copy), chunks, weight_sums);
        }
        if (!input_gradient) continue;
        convolve(before_relu, width, border, border + s.conv_height, channels, s.kernel, packed, nullptr, s.channels, 0,
                 s.height, false, moved);
        transpose_group<false>(s, group, input_gradient, s.input_last, s.channels, s.height, s.width, 0, moved);
    }
    for (int64_t c = 0; c < channels; ++c) bias_gradient[c] = float(of_bias[c]);
    unpack_weight_gradient(s, chunks, weight_sums, weight_gradient);
}

// ------------------------------------------------------------------------------------------------- C interface

template <class F> static int guarded(F run) {  // 0, or 1 where there is no memory
    try {
        run();
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

extern "C" {
const char* bakeoff_source_digest() { return SOURCE_DIGEST; }

int bakeoff_standardise(int64_t rows, int64_t length, const std::uint8_t* pixels, const float* shift, const float* scale,
                        float* out) {
    standardise(rows, length, pixels, shift, scale, out);
    return 0;
}

int bakeoff_forward(const Shape* shape, const float* input, const float* weight, const float* bias, float* output,
                    Code* winners) {
    return guarded([=] { forward(Sizes(*shape), input, weight, bias, output, winners); });
}

int bakeoff_backward(const Shape* shape, const float* input, const float* weight, const float* gradient,
                     const Code* winners, float* input_gradient, float* weight_gradient, float* bias_gradient) {
    return guarded([=] {
        backward(Sizes(*shape), input, weight, gradient, winners, input_gradient, weight_gradient, bias_gradient);
    });
}

int bakeoff_forward_norm(const Shape* shape, const float* input, const float* weight, const float* bias, const float* scale,
                         const float* shift, float* running_mean, float* running_variance, double momentum, double epsilon,
                         int training, float* statistics, float* output, float* activations, Code* winners) {
    return guarded([=] {
        forward_norm(Sizes(*shape), input, weight, bias, scale, shift, running_mean, running_variance, momentum, epsilon,
                     training, statistics, output, activations, winners);
    });
}

int bakeoff_backward_norm(const Shape* shape, const float* input, const float* weight, const float* scale, int training,
                          const float* statistics, const float* activations, const Code* winners, const float* gradient,
                          float* input_gradient, float* weight_gradient, float* bias_gradient, float* scale_gradient,
                          float* shift_gradient) {
    return guarded([=] {
        backward_norm(Sizes(*shape), input, weight, scale, training, statistics, activations, winners, gradient, input_gradient,
                      weight_gradient, bias_gradient, scale_gradient, shift_gradient);
    });
}
}
