/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kexec_load KERNEL INITRAMFS COMMAND-LINE: loads a crash kernel, with nothing of the program that
 * is tested. Linked statically. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ON_CRASH 2UL /* KEXEC_FILE_ON_CRASH, include/uapi/linux/kexec.h */

int main(int argc, char **argv)
{
    int kernel, initramfs;

    if (argc != 4)
        return 2;
    kernel = open(argv[1], O_RDONLY);
    initramfs = open(argv[2], O_RDONLY);
    if (kernel < 0 || initramfs < 0 ||
        syscall(SYS_kexec_file_load, kernel, initramfs, strlen(argv[3]) + 1, argv[3], ON_CRASH)) {
        perror("kexec_load");
        return 1;
    }
    puts("crash kernel loaded");
    return 0;
}
