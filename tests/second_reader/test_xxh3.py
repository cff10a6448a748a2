"""The hashes against the values that xxhsum checks itself with."""

import unittest

from wpack_reader import xxh3

HASH64 = {
    0: 0x2D06800538D394C2,
    1: 0xC44BDFF4074EECDB,
    6: 0x27B56A84CD2D7325,
    12: 0xA713DAF0DFBB77E7,
    24: 0xA3FE70BF9D3510EB,
    48: 0x397DA259ECBA1F11,
    80: 0xBCDEFBBB2C47C90A,
    195: 0xCD94217EE362EC3A,
    403: 0xCDEB804D65C6DEA4,
    512: 0x617E49599013CB6B,
    2048: 0xDD59E2C3A5F038E0,
    2240: 0x6E73A90539CF2948,
    2367: 0xCB37AEB9E5D361ED,
}

HASH128 = {
    0: 0x99AA06D3014798D86001C324468D497F,
    1: 0xA6CD5E9392000F6AC44BDFF4074EECDB,
    6: 0x082AFE0B8162D12A3E7039BDDA43CFC6,
    12: 0x6E3EFD8FC7802B18061A192713F69AD9,
    24: 0x0CE966E4678D37611E7044D28B1B901D,
    48: 0xA002AC4E5478227EF942219AED80F67B,
    81: 0x4952F58181AB00425E8BAFB9F95FB803,
    222: 0x337E09641B948717F1AEBD597CEC6B3A,
    403: 0x1B6DE21E332DD73DCDEB804D65C6DEA4,
    512: 0x18D2D110DCC9BCA1617E49599013CB6B,
    2048: 0xF736557FD47073A5DD59E2C3A5F038E0,
    2240: 0xCCB134FBFA7CE49D6E73A90539CF2948,
    2367: 0xE89C0F6FF369B427CB37AEB9E5D361ED,
}


def sample(size):
    """The bytes that xxhsum fills its test buffer with."""
    generator = 2654435761
    result = bytearray()
    for _ in range(size):
        result.append(generator >> 56)
        generator = generator * 11400714785074694797 & 0xFFFFFFFFFFFFFFFF
    return bytes(result)


class Xxh3Test(unittest.TestCase):
    def test_gives_the_published_64_bit_hashes(self):
        for size, expected in HASH64.items():
            with self.subTest(size=size):
                self.assertEqual(xxh3.hash64(sample(size)), expected)

    def test_gives_the_published_128_bit_hashes(self):
        for size, expected in HASH128.items():
            with self.subTest(size=size):
                self.assertEqual(xxh3.hash128(sample(size)), expected)


if __name__ == "__main__":
    unittest.main()
