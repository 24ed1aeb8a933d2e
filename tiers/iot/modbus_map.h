/* modbus_map.h - which registers of a Modbus device make which numbers, without the wire.
 *
 * A register, as words separated by blanks, ADDRESS from 0 as on the wire (40001 is holding 0):
 *
 *   holding ADDRESS TYPE [scale=S] [offset=O] [order=abcd|cdab|badc|dcba]      input likewise
 *   coil ADDRESS [scale=S] [offset=O]                                       discrete likewise
 *
 * TYPE is int16, uint16, int32, uint32, int64, uint64, float32 or float64, in 1, 2 or 4 registers;
 * the number is raw * S + O. abcd is big-endian, as the specification has it; cdab has the words
 * the other way round, badc the bytes in each word, dcba both.
 *
 * A write:   coil ADDRESS = 0|1      holding ADDRESS = 0 to 65535 */
#ifndef MW_IOT_MODBUS_MAP_H
#define MW_IOT_MODBUS_MAP_H

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MW_MODBUS_WORDS_MAX 125 /* registers in one request (Modbus Application Protocol 1.1b3) */
#define MW_MODBUS_BITS_MAX 2000 /* coils or discrete inputs */

enum mw_modbus_table { MW_MODBUS_COIL, MW_MODBUS_DISCRETE, MW_MODBUS_HOLDING, MW_MODBUS_INPUT };

enum mw_modbus_type {
    MW_MODBUS_BIT,
    MW_MODBUS_INT16,
    MW_MODBUS_UINT16,
    MW_MODBUS_INT32,
    MW_MODBUS_UINT32,
    MW_MODBUS_INT64,
    MW_MODBUS_UINT64,
    MW_MODBUS_FLOAT32,
    MW_MODBUS_FLOAT64
};

/* The first four as the option `order` of a device numbers them. */
enum mw_modbus_order {
    MW_MODBUS_ABCD,
    MW_MODBUS_CDAB,
    MW_MODBUS_BADC,
    MW_MODBUS_DCBA,
    MW_MODBUS_DEVICE /* the device's own */
};

struct mw_modbus_register {
    enum mw_modbus_table table;
    enum mw_modbus_type type;
    enum mw_modbus_order order;
    uint16_t address; /* of the first; the last is at most 65535 */
    double scale, offset;
};

struct mw_modbus_write {
    enum mw_modbus_table table; /* COIL or HOLDING */
    uint16_t address, value;
};

/* Errors: PARSE, RANGE; the message says what was expected. */
mw_err mw_modbus_register_parse(struct mw_modbus_register *out, const char *text,
                                struct mw_error *error);
mw_err mw_modbus_write_parse(struct mw_modbus_write *out, const char *text, struct mw_error *error);

/* How many 16-bit registers, or bits, one takes. */
unsigned mw_modbus_register_size(const struct mw_modbus_register *reg);
bool mw_modbus_registers_overlap(const struct mw_modbus_register *a,
                                 const struct mw_modbus_register *b);

/* One request: registers place[first] .. place[first + n - 1] lie side by side in it. */
struct mw_modbus_batch {
    enum mw_modbus_table table;
    uint16_t address, count;
    size_t first, n;
};

/* Sorts n registers into `place` (n indices) and joins those that follow one another without a gap
 * into batches (room for n), as many as a request may hold. Nothing between them is read: a device
 * may refuse addresses that it does not have. Returns the number of batches. */
size_t mw_modbus_batches(const struct mw_modbus_register *reg, size_t n, uint16_t *place,
                         struct mw_modbus_batch *batch);

/* The number in mw_modbus_register_size words as they came; a bit is 0 or 1 in one word. Order
 * DEVICE is taken as ABCD. May be no finite number. */
double mw_modbus_decode(const struct mw_modbus_register *reg, const uint16_t *word);

#endif
