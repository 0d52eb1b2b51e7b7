// Vectors, the sizes of a call, scratch memory, and the way between images and lane layout ([row][column][channel][16]).

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

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
static inline int64_t padded(int64_t floats) { return (floats + WIDTH - 1) / WIDTH * WIDTH; }  // to whole vectors
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
    sums_buffer, list_buffer, factors_buffer, terms_buffer;

// ------------------------------------------------------------------------------- between images and lane layout

// A 4 x 4 transpose for each four of N lanes and four floats; `other[i * step + lane]` faces `image[lane][i]`.
template <bool TO_LANES, int N = LANES>
static void transpose_run(float* const image[N], float* other, int64_t step, int64_t length, int lanes_used) {
    for (int64_t i = 0; i < length; i += 4) {
        if (i + 4 > length) {
            for (; i < length; ++i)
                for (int lane = 0; lane < (TO_LANES ? N : lanes_used); ++lane)
                    if (TO_LANES) other[i * step + lane] = image[lane][i];
                    else image[lane][i] = other[i * step + lane];
            break;
        }
        for (int lane = 0; lane < N; lane += 4) {
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

// Memory for a group of images; a border around them stays zero.
static float* lanes_for_images(const Sizes& s) {
    int64_t size = (s.padded_size + s.channels) * LANES;  // and a column past the end, see convolve
    return s.padding ? images_buffer.zeros(size) : images_buffer.get(size);
}
static float* input_to_lanes(const Sizes& s, int64_t group, const float* input, float* lanes) {
    transpose_group<true>(s, group, const_cast<float*>(input), s.input_last, s.channels, s.height, s.width, s.padding, lanes);
    return lanes;
}

template <class F> static int guarded(F run) {  // 0, or 1 where there is no memory
    try {
        run();
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}
