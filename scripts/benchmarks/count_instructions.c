/* Plugin of qemu's user emulation: counts the guest instructions that a program executes.
 *
 *   cc -O2 -shared -fPIC -o count_instructions.so count_instructions.c
 *   qemu-aarch64 -plugin ./count_instructions.so,out=FILE[,marker=SYMBOL] PROGRAM
 *
 * At the end FILE holds lines "SEGMENT INSTRUCTIONS SYMBOL", symbols in the order in which they
 * were first translated, addresses where there is none. Segment 0 is the whole run; with a marker, a new segment begins at each
 * entry of that guest function, so that a run can be divided into layers.
 * The plugin interface, version 1, is declared here: distributions ship it without its header.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct tb;
struct insn;
enum { ADD_U64 = 0, NO_REGISTERS = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*cb)(plugin_id, struct tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct tb *tb, int op, void *count, uint64_t step);
void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *insn, void (*cb)(unsigned, void *),
                                            int registers, void *data);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*cb)(plugin_id, void *), void *data);
size_t qemu_plugin_tb_n_insns(const struct tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct tb *tb);
struct insn *qemu_plugin_tb_get_insn(const struct tb *tb, size_t index);
const char *qemu_plugin_insn_symbol(const struct insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

struct symbol {
    char *name;
    uint64_t count, before;
    struct symbol *next, *chained;
};

enum { BUCKETS = 4096 };
static struct symbol *buckets[BUCKETS], *first, **end = &first;
static const char *marker;
static FILE *out;
static unsigned segment;

static struct symbol *find(const char *name)
{
    size_t hash = 5381;
    for (const char *c = name; *c; c++) {
        hash = hash * 33 + (unsigned char)*c;
    }
    struct symbol **at = &buckets[hash % BUCKETS];
    while (*at && strcmp((*at)->name, name)) {
        at = &(*at)->chained;
    }
    if (!*at) {
        *at = calloc(1, sizeof **at);
        (*at)->name = strdup(name);
        *end = *at;
        end = &(*at)->next;
    }
    return *at;
}

static void end_segment(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    for (struct symbol *s = first; s; s = s->next) {
        if (s->count != s->before) {
            fprintf(out, "%u %" PRIu64 " %s\n", segment, s->count - s->before, s->name);
        }
        s->before = s->count;
    }
    segment++;
}

static void translated(plugin_id id, struct tb *tb)
{
    (void)id;
    struct insn *insn = qemu_plugin_tb_get_insn(tb, 0);
    const char *name = qemu_plugin_insn_symbol(insn);
    char address[24];
    if (!name) {
        snprintf(address, sizeof address, "0x%" PRIx64, qemu_plugin_tb_vaddr(tb));
        name = address;
    }
    struct symbol *symbol = find(name);
    /* A function is entered at its first instruction, which begins the first block seen of it. */
    if (marker && !symbol->count && !strcmp(symbol->name, marker)) {
        qemu_plugin_register_vcpu_insn_exec_cb(insn, end_segment, NO_REGISTERS, NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &symbol->count,
                                             qemu_plugin_tb_n_insns(tb));
}

static void finish(plugin_id id, void *data)
{
    (void)id;
    end_segment(0, data);
    fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info,
                                                               int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) {
            out = fopen(argv[i] + 4, "w");
        } else if (!strncmp(argv[i], "marker=", 7)) {
            marker = strdup(argv[i] + 7);
        }
    }
    if (!out) {
        fprintf(stderr, "count_instructions: give out=FILE in a folder that can be written\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
