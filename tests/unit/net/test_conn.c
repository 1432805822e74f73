#include "net/conn.h"

#include "rig.h"

static void echoes_single_bytes_and_large_pieces(void **state)
{
    struct rig *rig = *state;
    int fd = rig_dial(rig);
    size_t size = 1 << 20;
    uint8_t *sent = mem_must_alloc(size), *got = mem_must_alloc(size);
    size_t said = 0, heard = 0;

    for (size_t i = 0; i < size; i++)
        sent[i] = (uint8_t)(i * 31 + i / 251);
    for (int i = 0; i < 100; i++) {
        rig_say(fd, sent + i, 1);
        rig_hear(rig, fd, got + i, 1);
    }
    assert_memory_equal(sent, got, 100);
    while (heard < size) {
        ssize_t n = said < size ? send(fd, sent + said, size - said, MSG_DONTWAIT) : 0;

        said += n > 0 ? (size_t)n : 0;
        loop_turn(rig->loop);
        n = recv(fd, got + heard, size - heard, MSG_DONTWAIT);
        heard += n > 0 ? (size_t)n : 0;
    }
    assert_memory_equal(sent, got, size);
    assert_true(rig->conns[0].drained > 0);
    close(fd);
    RIG_UNTIL(rig, rig->conns[0].is_closed);
    assert_int_equal(rig->conns[0].why, E_CLOSED);
    mem_free(sent);
    mem_free(got);
}

TESTS(test_conn, RIG_TEST(echoes_single_bytes_and_large_pieces));
