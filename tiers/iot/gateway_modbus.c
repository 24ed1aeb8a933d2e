/* gateway_modbus.c - Modbus TCP and RTU through libmodbus, which is loaded at run time: a process
 * without such devices does not pay for it. */
#include "tiers/iot/gateway_driver.h"

#include "lib/base/library.h"

#include <errno.h>
#include <math.h>
#include <modbus/modbus.h>
#include <stdlib.h>
#include <string.h>

struct library {
    void *handle;
    __typeof__(&modbus_new_tcp_pi) new_tcp_pi;
    __typeof__(&modbus_new_rtu) new_rtu;
    __typeof__(&modbus_free) free;
    __typeof__(&modbus_connect) connect;
    __typeof__(&modbus_close) close;
    __typeof__(&modbus_flush) flush;
    __typeof__(&modbus_set_slave) set_slave;
    __typeof__(&modbus_set_response_timeout) set_response_timeout;
    __typeof__(&modbus_set_byte_timeout) set_byte_timeout;
    __typeof__(&modbus_read_bits) read_bits;
    __typeof__(&modbus_read_input_bits) read_input_bits;
    __typeof__(&modbus_read_registers) read_registers;
    __typeof__(&modbus_read_input_registers) read_input_registers;
    __typeof__(&modbus_write_bit) write_bit;
    __typeof__(&modbus_write_register) write_register;
    __typeof__(&modbus_strerror) strerror;
};

struct line {
    struct library modbus;
    modbus_t *context;
    enum mw_gateway_scheme scheme;
    bool connected;
};

/* --- the library --- */

static mw_err load(struct library *library, struct mw_error *error)
{
    const struct mw_library_symbol symbols[] = {
        {"modbus_new_tcp_pi", &library->new_tcp_pi},
        {"modbus_new_rtu", &library->new_rtu},
        {"modbus_free", &library->free},
        {"modbus_connect", &library->connect},
        {"modbus_close", &library->close},
        {"modbus_flush", &library->flush},
        {"modbus_set_slave", &library->set_slave},
        {"modbus_set_response_timeout", &library->set_response_timeout},
        {"modbus_set_byte_timeout", &library->set_byte_timeout},
        {"modbus_read_bits", &library->read_bits},
        {"modbus_read_input_bits", &library->read_input_bits},
        {"modbus_read_registers", &library->read_registers},
        {"modbus_read_input_registers", &library->read_input_registers},
        {"modbus_write_bit", &library->write_bit},
        {"modbus_write_register", &library->write_register},
        {"modbus_strerror", &library->strerror},
    };
    return mw_library_open(&library->handle, "libmodbus.so.5", "libmodbus5", symbols,
                           sizeof symbols / sizeof *symbols, error);
}

/* --- the line --- */

static void close_line(void *state)
{
    struct line *line = state;
    if (line->context != NULL) {
        line->modbus.close(line->context);
        line->modbus.free(line->context);
    }
    mw_library_close(line->modbus.handle);
    free(line);
}

static mw_err open_line(void **state, const struct mw_gateway_file *first, struct mw_error *error)
{
    const struct mw_gateway_url *url = &first->url;
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL) {
        return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
    }
    line->scheme = url->scheme;
    mw_err err = load(&line->modbus, error);
    if (err == MW_OK) {
        line->context = url->scheme == MW_GATEWAY_TCP
                            ? line->modbus.new_tcp_pi(url->target, url->port)
                            : line->modbus.new_rtu(url->target, url->baud, url->parity,
                                                   url->data_bits, url->stop_bits);
        if (line->context == NULL) {
            err = mw_error_set(error, MW_ERR_ARGUMENT, "%s: %s", first->url_text,
                               line->modbus.strerror(errno));
        }
    }
    if (err != MW_OK) {
        close_line(line);
        return err;
    }
    *state = line;
    return MW_OK;
}

/* The device has answered, if only with an exception: the connection is good. */
static bool answered(int number)
{
    return number > MODBUS_ENOBASE && number <= EMBXGTAR;
}

/* What failed in between may still have an answer under way, which must not be taken for the next
 * one's. A serial line stays open: others are on it. */
static mw_err failed(struct line *line, const struct mw_gateway_file *file, const char *what,
                     struct mw_error *error)
{
    int number = errno;
    if (line->connected && !answered(number)) {
        bool keep =
            line->scheme == MW_GATEWAY_RTU && (number == ETIMEDOUT || number > MODBUS_ENOBASE);
        if (keep) {
            line->modbus.flush(line->context);
        } else {
            line->modbus.close(line->context);
            line->connected = false;
        }
    }
    return mw_error_set(error, MW_ERR_NET, "%s unit %d: %s: %s", file->url_text, (int)file->unit,
                        what, line->modbus.strerror(number));
}

static mw_err reach(struct line *line, const struct mw_gateway_file *file, struct mw_error *error)
{
    uint32_t seconds = (uint32_t)(file->timeout / 1000000);
    uint32_t rest = (uint32_t)(file->timeout % 1000000);
    line->modbus.set_response_timeout(line->context, seconds, rest);
    line->modbus.set_byte_timeout(line->context, seconds, rest);
    if (line->modbus.set_slave(line->context, (int)file->unit) != 0) {
        return failed(line, file, "unit", error);
    }
    if (!line->connected) {
        if (line->modbus.connect(line->context) != 0) {
            return failed(line, file, "cannot connect", error);
        }
        line->connected = true;
    }
    return MW_OK;
}

/* --- reading --- */

/* Bits come a byte each, and are widened where they lie in words. */
static int read_table(struct line *line, enum mw_modbus_table table, uint16_t address,
                      uint16_t count, uint16_t *word)
{
    uint8_t bit[MW_MODBUS_BITS_MAX];
    int n = -1;
    switch (table) {
    case MW_MODBUS_HOLDING:
        return line->modbus.read_registers(line->context, address, count, word);
    case MW_MODBUS_INPUT:
        return line->modbus.read_input_registers(line->context, address, count, word);
    case MW_MODBUS_COIL:
        n = line->modbus.read_bits(line->context, address, count, bit);
        break;
    case MW_MODBUS_DISCRETE:
        n = line->modbus.read_input_bits(line->context, address, count, bit);
        break;
    }
    for (int i = 0; i < n; i++) {
        word[i] = bit[i];
    }
    return n;
}

static mw_err decode(const struct mw_gateway_file *file, const struct mw_modbus_batch *batch,
                     const uint16_t *place, const uint16_t *word, float *value,
                     struct mw_error *error)
{
    for (size_t i = batch->first; i < batch->first + batch->n; i++) {
        const struct mw_modbus_register *reg = &file->reg[place[i]];
        float number = (float)mw_modbus_decode(reg, word + (reg->address - batch->address));
        if (!isfinite(number)) {
            return mw_error_set(error, MW_ERR_RANGE, "%s unit %d: %s is no finite number",
                                file->url_text, (int)file->unit, file->feature[place[i]].text);
        }
        value[place[i]] = number;
    }
    return MW_OK;
}

static mw_err read_device(void *state, const struct mw_gateway_file *file, float *value,
                          struct mw_error *error)
{
    struct line *line = state;
    struct mw_modbus_batch batch[MW_FEATURES_MAX];
    uint16_t place[MW_FEATURES_MAX], word[MW_MODBUS_BITS_MAX];
    size_t batches = mw_modbus_batches(file->reg, file->n_features, place, batch);
    mw_err err = reach(line, file, error);
    for (size_t i = 0; err == MW_OK && i < batches; i++) {
        if (read_table(line, batch[i].table, batch[i].address, batch[i].count, word) !=
            batch[i].count) {
            return failed(line, file, file->feature[place[batch[i].first]].text, error);
        }
        err = decode(file, &batch[i], place, word, value, error);
    }
    return err;
}

/* --- writing --- */

static mw_err write_device(void *state, const struct mw_gateway_file *file, size_t action,
                           bool again, struct mw_error *error)
{
    struct line *line = state;
    const struct mw_modbus_write *write = &file->write[action];
    uint16_t now;
    mw_err err = reach(line, file, error);
    if (err != MW_OK) {
        return err;
    }
    /* What cannot be read is written again, if the connection still stands. */
    if (again && read_table(line, write->table, write->address, 1, &now) == 1) {
        if (now == write->value) {
            return MW_OK;
        }
    } else if (again && !answered(errno)) {
        return failed(line, file, file->action[action].text, error);
    }
    int n = write->table == MW_MODBUS_COIL
                ? line->modbus.write_bit(line->context, write->address, write->value)
                : line->modbus.write_register(line->context, write->address, write->value);
    return n == 1 ? MW_OK : failed(line, file, file->action[action].text, error);
}

const struct mw_gateway_driver mw_gateway_modbus = {open_line, close_line, read_device,
                                                    write_device};
