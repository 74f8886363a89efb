/*
 * test_codec_bitpack.c
 *	  Packing at every width and every count, and the places of exceptions.
 */
#include "../../src/codec/codec_internal.h"
#include "codec_columns.h"
#include "unit.h"

#include <stdlib.h>
#include <time.h>

/* Numbers of one width come back, with nothing readable behind their bytes. */
static bool
packs(unsigned width, uint32_t count)
{
	uint64_t numbers[VECTOR];
	uint64_t decoded[VECTOR + UNPACK_SLACK];
	uint8_t packed[VECTOR * 8 + 16];
	size_t size = packed_size(count, width);
	uint8_t *exact = malloc(size + 1);
	bool good;

	for (uint32_t i = 0; i < count; i++)
		numbers[i] = width == 0 ? 0 : random_bits() >> (64 - width);
	codec_pack(numbers, count, width, packed);
	memcpy(exact, packed, size);
	codec_unpack(exact, exact + size, count, width, decoded);
	good = memcmp(numbers, decoded, count * 8) == 0;
	/* and with room behind, where another way of reading is taken */
	codec_unpack(packed, packed + sizeof(packed), count, width, decoded);
	good &= memcmp(numbers, decoded, count * 8) == 0;
	free(exact);
	return good;
}

static void
test_places(uint32_t among)
{
	uint8_t places[VECTOR];
	uint8_t decoded[VECTOR];
	uint8_t bytes[VECTOR / 8 + VECTOR];

	unit_group_begin();
	for (uint32_t share = 1; share <= 64; share *= 2)
	{
		uint32_t count = 0;
		uint8_t *end;

		for (uint32_t i = 0; i < among; i++)
		{
			if (random_below(share) == 0)
				places[count++] = (uint8_t) i;
		}
		end = codec_put_places(bytes, places, count, among);
		CHECK((size_t) (end - bytes) == places_size(count, among), "%u", among);
		CHECK(codec_get_places(bytes, count, among, decoded) &&
				  memcmp(places, decoded, count) == 0,
			  "%u of %u", count, among);
		/* as many, but not these: refused or different, never out of range */
		if (count > 0)
		{
			bytes[0] ^= 0xFF;
			if (codec_get_places(bytes, count, among, decoded))
				CHECK(decoded[count - 1] < among, "%u of %u", count, among);
		}
	}
	unit_group_end();
}

int
main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t) time(NULL);

	printf("seed %llu\n", (unsigned long long) seed);
	random_state = seed;
	for (unsigned width = 0; width <= 64; width++)
	{
		bool good = true;

		for (uint32_t count = 0; count <= VECTOR; count++)
			good &= packs(width, count);
		CHECK(good, "width %u", width);
	}
	for (uint32_t among = 1; among <= VECTOR; among++)
		test_places(among);
	return unit_finish();
}
