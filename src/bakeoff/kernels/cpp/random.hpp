// The numbers that PyTorch's generator on the CPU draws for dropout: the same ones, several side by side.

#pragma once

#include "lanes.hpp"

// What a state of PyTorch's generator begins with: a Mersenne Twister (M. Matsumoto and T. Nishimura, Mersenne Twister, 1998).
struct Twister {
    static constexpr int WORDS = 624, AHEAD = 397;
    std::uint64_t seed;
    std::int32_t left, seeded;  // words that are left, and one
    std::uint64_t next, state[WORDS];
};

static void make_words(std::uint32_t* words) {
    auto twist = [=](int i, int following, int ahead) {
        std::uint32_t mixed = (words[i] & 0x80000000u) | (words[following] & 0x7fffffffu);
        words[i] = words[ahead] ^ (mixed >> 1) ^ (-(words[following] & 1u) & 0x9908b0dfu);
    };
    constexpr int first = Twister::WORDS - Twister::AHEAD, last = Twister::WORDS - 1;
    for (int i = 0; i < first; ++i) twist(i, i + 1, i + Twister::AHEAD);
    for (int i = first; i < last; ++i) twist(i, i + 1, i - first);
    twist(last, 0, Twister::AHEAD - 1);
}

static inline std::uint32_t tempered(std::uint32_t word) {
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680u;
    word ^= (word << 15) & 0xefc60000u;
    return word ^ (word >> 18);
}

// `value` with this probability, else 0. As in PyTorch, two words make 53 random bits, the first word the higher ones.
static void draw(Twister& twister, int64_t count, double probability, float value, float* out) {
    constexpr std::uint64_t RANGE = std::uint64_t(1) << 53;
    auto limit = std::uint64_t(std::ceil(probability * double(RANGE)));
    std::uint32_t words[Twister::WORDS], drawn[Twister::WORDS + 1];
    std::copy_n(twister.state, Twister::WORDS, words);
    for (int64_t waiting = 0; count > 0;) {  // one, where the words before ended within a number
        if (twister.left == 1) {
            make_words(words);
            twister.left = Twister::WORDS + 1, twister.next = 0;
        }
        int64_t taken = std::min<int64_t>(twister.left - 1, 2 * count - waiting), numbers = (waiting + taken) / 2;
        for (int64_t i = 0; i < taken; ++i) drawn[waiting + i] = tempered(words[twister.next + i]);
        twister.left -= int(taken), twister.next += taken;
        for (int64_t i = 0; i < numbers; ++i) {
            std::uint64_t bits = (std::uint64_t(drawn[2 * i]) << 32 | drawn[2 * i + 1]) & (RANGE - 1);
            out[i] = bits < limit ? value : 0.0f;
        }
        count -= numbers, out += numbers;
        waiting = (waiting + taken) % 2;
        if (waiting) drawn[0] = drawn[2 * numbers];
    }
    std::copy_n(words, Twister::WORDS, twister.state);
}
