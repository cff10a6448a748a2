"""XXH3-64 and XXH3-128 with seed 0, after the text of xxhash_spec.md in the xxHash project."""

import struct

_MASK = 0xFFFFFFFFFFFFFFFF
_PRIME32_1 = 0x9E3779B1
_PRIME32_2 = 0x85EBCA77
_PRIME32_3 = 0xC2B2AE3D
_PRIME64_1 = 0x9E3779B185EBCA87
_PRIME64_2 = 0xC2B2AE3D27D4EB4F
_PRIME64_3 = 0x165667B19E3779F9
_PRIME64_4 = 0x85EBCA77C2B2AE63
_PRIME64_5 = 0x27D4EB2F165667C5
_PRIME_MX1 = 0x165667919E3779F9
_PRIME_MX2 = 0x9FB21C651E98DF25

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)

_STRIPE = 64
_STRIPES_PER_BLOCK = (len(_SECRET) - _STRIPE) // 8
_BLOCK = _STRIPE * _STRIPES_PER_BLOCK


def hash64(data):
    """XXH3-64 of a bytes-like object, as an integer."""
    size = len(data)
    if size == 0:
        return _avalanche_xxh64(_word(_SECRET, 56) ^ _word(_SECRET, 64))
    if size <= 3:
        return _avalanche_xxh64(_half(_SECRET, 0) ^ _half(_SECRET, 4) ^ _combine(data))
    if size <= 8:
        return _hash64_4_to_8(data)
    if size <= 16:
        return _hash64_9_to_16(data)
    if size <= 240:
        return _hash64_17_to_240(data)
    return _merge(_large(data), size * _PRIME64_1, 11)


def hash128(data):
    """XXH3-128 of a bytes-like object, as an integer."""
    size = len(data)
    if size == 0:
        low = _avalanche_xxh64(_word(_SECRET, 64) ^ _word(_SECRET, 72))
        high = _avalanche_xxh64(_word(_SECRET, 80) ^ _word(_SECRET, 88))
    elif size <= 3:
        low, high = _hash128_1_to_3(data)
    elif size <= 8:
        low, high = _hash128_4_to_8(data)
    elif size <= 16:
        low, high = _hash128_9_to_16(data)
    elif size <= 240:
        low, high = _hash128_17_to_240(data)
    else:
        lanes = _large(data)
        low = _merge(lanes, size * _PRIME64_1, 11)
        high = _merge(lanes, ~(size * _PRIME64_2), len(_SECRET) - 75)
    return high << 64 | low


def _half(data, at):
    return struct.unpack_from("<I", data, at)[0]


def _word(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def _swap32(value):
    return int.from_bytes(value.to_bytes(4, "little"), "big")


def _swap64(value):
    return int.from_bytes(value.to_bytes(8, "little"), "big")


def _rotate(value, count, width=64):
    return (value << count | value >> (width - count)) & ((1 << width) - 1)


def _fold(product):
    return (product & _MASK) ^ (product >> 64)


def _avalanche(value):
    value &= _MASK
    value ^= value >> 37
    value = value * _PRIME_MX1 & _MASK
    return value ^ value >> 32


def _avalanche_xxh64(value):
    value ^= value >> 33
    value = value * _PRIME64_2 & _MASK
    value ^= value >> 29
    value = value * _PRIME64_3 & _MASK
    return value ^ value >> 32


# Up to 16 bytes


def _combine(data):
    size = len(data)
    return data[size - 1] | size << 8 | data[0] << 16 | data[size >> 1] << 24


def _hash128_1_to_3(data):
    combined = _combine(data)
    low = _half(_SECRET, 0) ^ _half(_SECRET, 4) ^ combined
    high = _half(_SECRET, 8) ^ _half(_SECRET, 12) ^ _rotate(_swap32(combined), 13, 32)
    return _avalanche_xxh64(low), _avalanche_xxh64(high)


def _hash64_4_to_8(data):
    size = len(data)
    combined = _half(data, size - 4) | _half(data, 0) << 32
    value = _word(_SECRET, 8) ^ _word(_SECRET, 16) ^ combined
    value ^= _rotate(value, 49) ^ _rotate(value, 24)
    value = value * _PRIME_MX2 & _MASK
    value ^= (value >> 35) + size
    value = value * _PRIME_MX2 & _MASK
    return value ^ value >> 28


def _hash128_4_to_8(data):
    size = len(data)
    combined = _half(data, 0) | _half(data, size - 4) << 32
    value = _word(_SECRET, 16) ^ _word(_SECRET, 24) ^ combined
    product = value * (_PRIME64_1 + (size << 2) & _MASK)
    high, low = product >> 64, product & _MASK
    high = high + (low << 1) & _MASK
    low ^= high >> 3
    low ^= low >> 35
    low = low * _PRIME_MX2 & _MASK
    low ^= low >> 28
    return low, _avalanche(high)


def _hash64_9_to_16(data):
    size = len(data)
    low = _word(_SECRET, 24) ^ _word(_SECRET, 32) ^ _word(data, 0)
    high = _word(_SECRET, 40) ^ _word(_SECRET, 48) ^ _word(data, size - 8)
    return _avalanche(size + _swap64(low) + high + _fold(low * high))


def _hash128_9_to_16(data):
    size = len(data)
    last = _word(data, size - 8)
    first = _word(_SECRET, 32) ^ _word(_SECRET, 40) ^ _word(data, 0) ^ last
    second = _word(_SECRET, 48) ^ _word(_SECRET, 56) ^ last
    product = first * _PRIME64_1
    low = (product & _MASK) + (size - 1 << 54) & _MASK
    high = (product >> 64) + second + (second & 0xFFFFFFFF) * (_PRIME32_2 - 1) & _MASK
    low ^= _swap64(high)
    product = low * _PRIME64_2
    high = (product >> 64) + high * _PRIME64_2
    return _avalanche(product), _avalanche(high)


# 17 to 240 bytes


def _mix(data, at, secret_at):
    return _fold(
        (_word(data, at) ^ _word(_SECRET, secret_at))
        * (_word(data, at + 8) ^ _word(_SECRET, secret_at + 8))
    )


def _hash64_17_to_240(data):
    size = len(data)
    sum_ = size * _PRIME64_1
    if size <= 128:
        for i in range((size - 1 >> 5) + 1):
            sum_ += _mix(data, i * 16, i * 32) + _mix(data, size - i * 16 - 16, i * 32 + 16)
        return _avalanche(sum_)
    for i in range(8):
        sum_ += _mix(data, i * 16, i * 16)
    sum_ = _avalanche(sum_)
    for i in range(8, size >> 4):
        sum_ += _mix(data, i * 16, (i - 8) * 16 + 3)
    return _avalanche(sum_ + _mix(data, size - 16, 119))


def _mix_two(sums, data, first, second, secret_at):
    low = sums[0] + _mix(data, first, secret_at) & _MASK
    high = sums[1] + _mix(data, second, secret_at + 16) & _MASK
    return (
        low ^ (_word(data, second) + _word(data, second + 8) & _MASK),
        high ^ (_word(data, first) + _word(data, first + 8) & _MASK),
    )


def _hash128_17_to_240(data):
    size = len(data)
    sums = (size * _PRIME64_1 & _MASK, 0)
    if size <= 128:
        for i in reversed(range((size - 1 >> 5) + 1)):
            sums = _mix_two(sums, data, i * 16, size - i * 16 - 16, i * 32)
    else:
        for i in range(4):
            sums = _mix_two(sums, data, i * 32, i * 32 + 16, i * 32)
        sums = (_avalanche(sums[0]), _avalanche(sums[1]))
        for i in range(4, size >> 5):
            sums = _mix_two(sums, data, i * 32, i * 32 + 16, (i - 4) * 32 + 3)
        sums = _mix_two(sums, data, size - 16, size - 32, 103)
    high = sums[0] * _PRIME64_1 + sums[1] * _PRIME64_4 + size * _PRIME64_2
    return _avalanche(sums[0] + sums[1]), -_avalanche(high) & _MASK


# Above 240 bytes


def _secret_words(at):
    return struct.unpack_from("<8Q", _SECRET, at)


_STRIPE_SECRETS = [_secret_words(8 * n) for n in range(_STRIPES_PER_BLOCK)]
_SCRAMBLE_SECRET = _secret_words(len(_SECRET) - 64)
_LAST_SECRET = _secret_words(len(_SECRET) - 71)


def _accumulate(lanes, data, at, secret):
    words = struct.unpack_from("<8Q", data, at)
    for i in range(8):
        value = words[i] ^ secret[i]
        lanes[i] = lanes[i] + words[i ^ 1] + (value & 0xFFFFFFFF) * (value >> 32) & _MASK


def _scramble(lanes):
    for i in range(8):
        value = lanes[i]
        lanes[i] = (value ^ value >> 47 ^ _SCRAMBLE_SECRET[i]) * _PRIME32_1 & _MASK


def _large(data):
    lanes = [
        _PRIME32_3, _PRIME64_1, _PRIME64_2, _PRIME64_3,
        _PRIME64_4, _PRIME32_2, _PRIME64_5, _PRIME32_1,
    ]
    last_block = (len(data) - 1) // _BLOCK * _BLOCK
    for block in range(0, last_block, _BLOCK):
        for n in range(_STRIPES_PER_BLOCK):
            _accumulate(lanes, data, block + n * _STRIPE, _STRIPE_SECRETS[n])
        _scramble(lanes)
    for n in range((len(data) - last_block - 1) // _STRIPE):
        _accumulate(lanes, data, last_block + n * _STRIPE, _STRIPE_SECRETS[n])
    _accumulate(lanes, data, len(data) - _STRIPE, _LAST_SECRET)
    return lanes


def _merge(lanes, start, secret_at):
    secret = _secret_words(secret_at)
    result = start
    for i in range(0, 8, 2):
        result += _fold((lanes[i] ^ secret[i]) * (lanes[i + 1] ^ secret[i + 1]))
    return _avalanche(result)
