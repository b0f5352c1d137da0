/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines in, lines out: what is private and what only looks like it. */
#include "unit.h"

#include "scrub/scrub.h"

struct line {
    const char *in, *out; /* out NULL: the same */
};

static char *scrub_one(struct scrub *s, const char *text)
{
    struct strbuf out = { 0 };

    assert_int_equal(scrub_text(s, span_str(text), &out), 0);
    return strbuf_take(&out);
}

/* Each line with placeholders of its own, and again: what was scrubbed stays as it is. */
static void check(const struct line *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_(scrub_freep) struct scrub *s = NULL;
        _cleanup_free_ char *once = NULL, *twice = NULL;

        assert_int_equal(scrub_new(&s), 0);
        once = scrub_one(s, lines[i].in);
        assert_string_equal(once, lines[i].out ? lines[i].out : lines[i].in);
        twice = scrub_one(s, once);
        assert_string_equal(twice, once);
    }
}

static void test_addresses(void **state)
{
    static const struct line lines[] = {
        { "wlan0: authenticate with 3c:a9:f4:0B:cc:01", "wlan0: authenticate with <mac-1>" },
        { "e1000 (00-1B-21-3a-4c-5d) up", "e1000 (<mac-1>) up" },
        { "same aa:bb:cc:dd:ee:01 AA-BB-CC-DD-EE-01 dev_AA_BB_CC_DD_EE_01",
          "same <mac-1> <mac-1> dev_<mac-1>" },
        { "IN=wlan0 MAC=aa:bb:cc:dd:ee:01:aa:bb:cc:dd:ee:02:08:00 SRC=192.168.1.2 DST=10.0.0.1",
          "IN=wlan0 MAC=<mac-1> SRC=<ip-1> DST=<ip-2>" },
        { "ifname=eth0:aa:bb:cc:dd:ee:01", "ifname=eth0:<mac-1>" },
        { "enp3s0 renamed enx001122aabbcc", "enp3s0 renamed enx<mac-1>" },
        { "broadcast ff:ff:ff:ff:ff:ff any 00:00:00:00:00:00", NULL },
        { "IP-Config: 192.168.0.5.", "IP-Config: <ip-1>." },
        { "range 10.0.0.1-10.0.0.9", "range <ip-1>-<ip-2>" },
        { "nfsroot=192.168.7.1:/srv ip=10.1.2.3::10.1.2.1:255.255.255.0:deck:eth0",
          "nfsroot=<ip-1>:/srv ip=<ip-2>::<ip-3>:255.255.255.0:deck:eth0" },
        { "127.0.0.1 0.0.0.0 255.255.255.0", NULL },
        { "[fe80::1a2b:3c4d%wlan0]:443", "[<ip-1>%wlan0]:443" },
        { "2001:db8:85a3:0:0:8a2e:370:7334/64", "<ip-1>/64" },
        { "2001:0DB8::1 2001:0db8::1, fd00::12", "<ip-1> <ip-1>, <ip-2>" },
        { "addr fe80::1: unreachable", "addr <ip-1>: unreachable" },
        { "64:ff9b::192.0.2.33 end", "<ip-1> end" },
        /* as parts of names, and behind words that are said of versions, too */
        { "dhcp release 192.168.1.5, dhcp release 10.0.0.7, release 7.2.0.1",
          "dhcp release <ip-1>, dhcp release <ip-2>, release 7.2.0.1" },
        { "10.0.0.7-eth0 192.168.1.5-wlan0", "<ip-1>-eth0 <ip-2>-wlan0" },
        { "host-192.168.1.5 ip-10.1.2.3:3260-iscsi-iqn", "host-<ip-1> ip-<ip-2>:3260-iscsi-iqn" },
        { "IP 192.168.1.5.22 > 172.16.3.4.51820: tcp", "IP <ip-1>.22 > <ip-2>.51820: tcp" },
        { "mac_3c:a9:f4:0b:cc:01 3c:a9:f4:0b:cc:01_x", "mac_<mac-1> <mac-1>_x" },
        { "BSSID=3ca9f40bcc01 BD_ADDR=001A7DDA7113, node addr 001122aabbcc",
          "BSSID=<mac-1> BD_ADDR=<mac-2>, node addr <mac-3>" },
        { "bssid: 3c:a9:f4:0b:cc:01 BSSID=3CA9F40BCC01", "bssid: <mac-1> BSSID=<mac-1>" },
        /* cut by a record's edge */
        { "a9:f4:0b:cc:01 (try 1/3)", "<mac-1> (try 1/3)" },
        { "wlan0: associate with 3c:a9:f4:0b:cc", "wlan0: associate with <mac-1>" },
        { "wlan0: associate with 3c:a9:f4:0b:c\n", "wlan0: associate with <mac-1>\n" },
    };

    check(lines, ARRAY_SIZE(lines));
}

static void test_ids(void **state)
{
    static const struct line lines[] = {
        { "root=UUID=4b1e8b2a-3f51-4c0e-9a55-0f6d2d7d1c11 ro", "root=UUID=<uuid-1> ro" },
        { "rd.luks.name=4B1E8B2A-3f51-4c0e-9a55-0f6d2d7d1c11=luks-4b1e8b2a-3f51-4c0e-9a55-"
          "0f6d2d7d1c11",
          "rd.luks.name=<uuid-1>=luks-<uuid-1>" },
        { "UUID=ABCD-1234 /boot/efi", "UUID=<uuid-1> /boot/efi" },
        { "PARTUUID=0a1b2c3d-01", "PARTUUID=<uuid-1>" },
        { "/run/log/journal/5f3c0a9be2d14c7786aa01bb23cd45ef/system.journal",
          "/run/log/journal/<id-1>/system.journal" },
        { "usb 1-1: SerialNumber: 0123 ABC", "usb 1-1: SerialNumber: <serial-1>" },
        { "scsi 0:0:0:0: wwn-0x5002538e40b1c2d3 naa.5002538e40b1c2d3",
          "scsi 0:0:0:0: wwn-0x<disk-1> naa.<disk-1>" },
        { "nvme-eui.0025385b01412345 eui.0025385b01412345-part1",
          "nvme-eui.<disk-1> eui.<disk-1>-part1" },
        { "mpt3sas: sas_address(0x4433221100000000)", "mpt3sas: sas_address(0x<disk-1>)" },
        { "port 50:01:43:80:12:34:56:78", "port <disk-1>" },
        { "/dev/disk/by-id/nvme-WD_BLACK_SN770_1TB_23012345678 ok", "/dev/disk/by-id/<disk-1> ok" },
        { "\tSerial Number: FVAA 1234-X\n\tProduct Name: Jupiter\n",
          "\tSerial Number: <serial-1>\n\tProduct Name: Jupiter\n" },
        { "\tUUID: 4c4c4544-0042-3510-8052-b4c04f4e4d32", "\tUUID: <uuid-1>" },
        { "\tAsset Tag: Property of J. Doe", "\tAsset Tag: <serial-1>" },
        { "product_serial: FVAA12345678", "product_serial: <serial-1>" },
        { "\tSerial Number: Not Specified\n\tAsset Tag: Default string\n\tSerial Number: 00000000",
          NULL },
        { "steamid=76561197960287930 id 76561197960287930 [U:1:22202]",
          "steamid=<steam-1> id <steam-1> [U:1:22202]" },
        { "STEAM_0:0:11101 userdata/22202/config", "STEAM_0:<steam-1> userdata/<steam-2>/config" },
    };

    check(lines, ARRAY_SIZE(lines));
}

static void test_names(void **state)
{
    static const struct line lines[] = {
        { "wpa: Trying to associate with aa:bb:cc:dd:ee:01 (SSID='My Wifi, 5G' freq=2437 MHz)",
          "wpa: Trying to associate with <mac-1> (SSID='<ssid-1>' freq=2437 MHz)" },
        { "Config: added 'ssid' value 'My Wifi'", "Config: added 'ssid' value '<ssid-1>'" },
        { "ssid=\"it\\\"s\" x", "ssid=\"<ssid-1>\" x" },
        { "Connected to wireless network \"Home\" now",
          "Connected to wireless network \"<ssid-1>\" now" },
        { "iwd: SSID: Our Net", "iwd: SSID: <ssid-1>" },
        { "open /home/john/.steam/x by john", "open /home/<user-1>/.steam/x by <user-1>" },
        { "/home/.steamos/offload /home/* /run/media/jd/Card",
          "/home/.steamos/offload /home/* /run/media/<user-1>/Card" },
        { "file:///media/jd/x /var/home/john/y", "file:///media/<user-1>/x /var/home/<user-2>/y" },
        { "uid=1000(johnny) opened for user johnny(uid=1000)",
          "uid=1000(<user-1>) opened for user <user-1>(uid=1000)" },
        { "systemd[1]: Hostname set to <deckard>.\nhello deckard",
          "systemd[1]: Hostname set to <<host-1>>.\nhello <host-1>" },
        { "hid-steam 0003:28DE:1142.0002: Steam Controller 'FXA991900A57E' connected",
          "hid-steam 0003:28DE:1142.0002: Steam Controller '<serial-1>' connected" },
        { "nfs: server mynas not responding, mynas",
          "nfs: server <host-1> not responding, <host-1>" },
        { "modem IMEI: 356938035643809", "modem IMEI: <serial-1>" },
        { "/media/usb/x usb", "/media/<user-1>/x usb" },
        { "session opened for user john by (uid=0)",
          "session opened for user <user-1> by (uid=0)" },
        { "mail john.doe+x@mail.example.org, now", "mail <email-1>, now" },
        { "Linux version 6.1.52 (me@box) (gcc 12)", "Linux version 6.1.52 (<email-1>) (gcc 12)" },
        { "Nov  9 10:19:35 ohm kernel: x\n2026-01-02T03:04:05+0000 ohm systemd[1]: at ohm",
          "Nov  9 10:19:35 <host-1> kernel: x\n2026-01-02T03:04:05+0000 <host-1> systemd[1]: at "
          "<host-1>" },
        { "acct=\"john\" exe=", "acct=\"<user-1>\" exe=" },
        { "jane@localhost \"jane doe\"@example.org <\"j\"@b.cc>",
          "<email-1> <email-2> <<email-3>>" },
        { "systemd-logind[5]: New session c2 of user johnny.",
          "systemd-logind[5]: New session c2 of user <user-1>." },
        { "sshd[7]: Accepted publickey for johnny from 203.0.113.5 port 5",
          "sshd[7]: Accepted publickey for <user-1> from <ip-1> port 5" },
        { "sudo[7]:   johnny : TTY=pts/0 ; USER=root ; COMMAND=x",
          "sudo[7]:   <user-1> : TTY=pts/0 ; USER=root ; COMMAND=x" },
        { "Activation: starting connection 'John's Home' (x)",
          "Activation: starting connection '<ssid-1>' (x)" },
        { "iwd: event: connect-info, ssid: The Home, bss: 3c:a9:f4:0b:cc:01, x",
          "iwd: event: connect-info, ssid: <ssid-1>, bss: <mac-1>, x" },
        { "station: ssid: The Home, state up", "station: ssid: <ssid-1>, state up" },
        { "brcmfmac: ssid=The Home ie_len=20", "brcmfmac: ssid=<ssid-1> ie_len=20" },
        { "\"AccountName\"\t\t\"gaben\" and gaben",
          "\"AccountName\"\t\t\"<steam-1>\" and <steam-1>" },
    };

    check(lines, ARRAY_SIZE(lines));
}

/* What kernels print that only looks private. */
static void test_left_alone(void **state)
{
    static const char *const lines[] = {
        "Linux version 6.1.0-56-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)",
        "RIP: 0010:crash_it+0x5/0x10 [crashme]",
        "RAX: 0000000000000000 RBX: ffff888003d0a000 RCX: 0000000000000001",
        "Code: 48 8b 05 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff",
        "BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "pci 0000:03:00.0: [8086:a201] type 00 class 0x020000",
        "pci_bus 0000:00: root bus resource [mem 0x000a0000-0x000bffff window]",
        "usb 1-1.2.3.4: new high-speed USB device number 5 using xhci_hcd",
        "WARNING: CPU: 1 PID: 2 at drivers/media/usb/uvc/uvc_video.c:12 usb_x+0x1/0x2",
        "3f201000.serial: ttyAMA0 at MMIO 0x3f201000 (irq = 114, base_baud = 0) is a PL011 rev2",
        "EXT4-fs (mmcblk0p1): mounted at /run/media/mmcblk0p1 /run/media/sda1 /media/nvme0n1p1",
        "playstation 0005:054C:0CE6.0001: Registered DualSense controller hw_version=0x01000208",
        "usb usb1: SerialNumber: 0000:00:14.0",
        "Jan is a month, May 1 is a day: x",
        "usb 1-1: New USB device strings: Mfr=1, Product=2, SerialNumber=3",
        "usb usb1-1.2.3.4:1.0: x",
        "sd 0:0:0:0: [sda] Attached SCSI disk",
        "rtc_cmos 00:05: setting system clock to 2026-01-02T03:04:05 UTC (1767323045)",
        "2026-01-02 03:04:05 03:04:05",
        "firmware version 10.2.1.4 and BIOS 1.0.2.3 (ver 1.2.3.4), FW: 1.2.3.4",
        "driver 550.54.14.02 1.2.3.4.5 v1.2.3.4 1.2.3.4-rc1 300.1.1.1 1.02.03.04",
        "<6>[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
        "core::panicking::panic_fmt a::b dead::beef std::fs 12::34",
        "ata1: SATA max UDMA/133 abar m2048@0xf7d16000 port 0xf7d16100 irq 28",
        "/soc/serial@7e201000 mmc@fe340000 user@1000.service getty@tty1.service",
        "Serial: 8250/16550 driver, 4 ports, IRQ sharing enabled",
        "00:05: ttyS0 at I/O 0x3f8 (irq = 4, base_baud = 115200) is a 16550A",
        "tsc: Detected 2596.136 MHz processor 0:1:2:3:4:5:6:7",
        "audit: type=2000 audit(1767323045.160:1): state=initialized",
        "Hardware name: Valve Jupiter/Jupiter, BIOS F7A0119 10/24/2023",
        "Loaded X.509 cert 'Debian: 6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1'",
        "user: [mem 0x0000000000000000-0x000000000009fbff] usable",
        "login: timed out; hostname lookup for user space; network is up",
        "CPU: 3 PID: 2561 Comm: sh Tainted: G        W  O       6.1.52-valve9-1 #1",
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        check(&(struct line){ lines[i], NULL }, 1);
}

/* The same where a log has the words that private values stand behind. */
static void test_left_alone_behind_keys(void **state)
{
    static const char *const lines[] = {
        "user: kworker error, user: error, USER=root LOGNAME=root",
        "out of user memory, of user space. session of user.",
        "NFS: server cheating in read reply: count 4096 > recvd 1000",
        "VERSION_ID=3.7.20.1 BUILD_ID=20.24.1.1 IMAGE_VERSION=\"10.20.30.40\"",
        "FSEQ Version: 89.3.35.37 Version:1.2.3.4 fw_ver 1.2.3.4",
        "stack: ffffffffffffffffffffffffffffffff 8badf00d8badf00d8badf00d8badf00d",
        "raw: 0017ffffc0000000 dead000000000100 dead000000000122 0000000000000000",
        "Hex dump: 00000000: 6b 6b 6b 6b 6b a5",
        "CPU features: 0x0,00000000 mask 0xff:ff:ff:ff:ff:ff",
        "cfg80211: SSID IE length 33, ssid len=0 ssid_len=5",
        "usb 3-1.2.3.4-port1: x, usb-0000:04:00.3-3/input0, node addr 0x1000",
        "12:34:56 uptime, at 12:34:56",
        "12:34:56 restarting at 03:04:05",
        "mac80211: mac=0 addr 0000000000000000, mac address 000000000000",
        "connection refused, connection x",
        "sudo: no tty, sudo[7]: x",
        "wlp2s0: MAC=none, \"quoted\"@ \"a\" @b.cc",
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        check(&(struct line){ lines[i], NULL }, 1);
}

static char *read_and_scrub(struct scrub *s, const char *text)
{
    assert_int_equal(scrub_read(s, span_str(text)), 0);
    return scrub_one(s, text);
}

/* A line tells what the lines before it are about. */
static void test_learnt(void **state)
{
    static const struct line texts[] = {
        { "login johnny\nopen /home/johnny/x", "login <user-1>\nopen /home/<user-1>/x" },
        { "johnny, Johnny\nNew session 2 of user johnny.",
          "<user-1>, Johnny\nNew session 2 of user <user-1>." },
        { "connected to The Home now\nSSID 'The Home'\nssid: The Home, bss: x\n"
          "starting connection 'The Home'",
          "connected to <ssid-1> now\nSSID '<ssid-1>'\nssid: <ssid-1>, bss: x\n"
          "starting connection '<ssid-1>'" },
        { "mount from filer01 and FILER01\nnfs: server filer01 OK",
          "mount from <host-1> and <host-1>\nnfs: server <host-1> OK" },
        /* but not words of code, of every log, or too short ones */
        { "eth0 up\nstarting connection 'eth0'", "eth0 up\nstarting connection '<ssid-1>'" },
        { "a joe b\nuser=joe", "a joe b\nuser=<user-1>" },
        { "kworker/0:1 page fault\nuser=kworker acct=\"page\"",
          "kworker/0:1 page fault\nuser=kworker acct=\"<user-1>\"" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_(scrub_freep) struct scrub *s = NULL;
        _cleanup_free_ char *once = NULL, *twice = NULL;

        assert_int_equal(scrub_new(&s), 0);
        once = read_and_scrub(s, texts[i].in);
        assert_string_equal(once, texts[i].out);
        twice = read_and_scrub(s, once);
        assert_string_equal(twice, once);
    }
}

static void test_known(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    _cleanup_free_ char *out = NULL;

    assert_int_equal(scrub_new(&s), 0);
    assert_int_equal(scrub_protect(s, SPAN("INFO: hung task in legion_probe [legion]")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("my-pc")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("steamdeck")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("legion")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_SERIAL, SPAN("FVAA12345678")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_USER, SPAN("root")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_USER, SPAN("ext4")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_USER, SPAN("0")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_USER, SPAN("x")), 0);
    out = scrub_one(s, "my-pc my-pcs amy-pc My-pc (my-pc) steamdeck legion root 0 x\n"
                       "steamos-FVAA12345678-0.zip FVAA123456789\n"
                       " ext4_fill+0x1/0x2 [ext4] <- ext4 FVAA12345678\n"
                       "Modules linked in: ext4 my-pc\n"
                       "mount ext4");
    assert_string_equal(out,
                        "<host-1> my-pcs amy-pc <host-1> (<host-1>) steamdeck legion root 0 x\n"
                        "steamos-<serial-1>-0.zip FVAA123456789\n"
                        " ext4_fill+0x1/0x2 [ext4] <- <user-1> <serial-1>\n"
                        "Modules linked in: ext4 my-pc\n"
                        "mount <user-1>");
}

/* What programs make of the host's name, and of its address. */
static void test_spellings(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    _cleanup_free_ char *out = NULL;

    assert_int_equal(scrub_new(&s), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("Johns-Brick.fritz.box")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_USER, SPAN("Jane")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_MAC, SPAN("3c:a9:f4:0b:cc:01")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_MAC, SPAN("00:00:00:00:00:00")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_MAC, SPAN("garbage")), 0);
    out = scrub_one(s, "johns-brick.local JOHNS-BRICK johns-brick.FRITZ.box Jane jane\n"
                       "3CA9F40BCC01 3c-a9-f4-0b-cc-01 x3ca9f40bcc01 000000000000 garbage");
    assert_string_equal(out, "<host-1>.local <host-1> <host-2> <user-1> jane\n"
                             "<mac-1> <mac-1> x3ca9f40bcc01 000000000000 garbage");
}

/* Versions stay as a whole, whatever is in them. */
static void test_kept(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    _cleanup_free_ char *out = NULL;

    assert_int_equal(scrub_new(&s), 0);
    assert_int_equal(scrub_keep(s, SPAN("6.11.11-valve17-1-neptune-611")), 0);
    assert_int_equal(scrub_keep(s, SPAN("20.24.1.1")), 0);
    assert_int_equal(scrub_keep(s, SPAN("johnny")), 0);
    assert_int_equal(scrub_keep(s, SPAN("")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("neptune")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_USER, SPAN("johnny")), 0);
    out = scrub_one(s, "neptune runs 6.11.11-valve17-1-neptune-611 of 20.24.1.1, not 20.24.1.10,\n"
                       "6.11.11-valve17-1-neptune-6112, johnny");
    assert_string_equal(out,
                        "<host-1> runs 6.11.11-valve17-1-neptune-611 of 20.24.1.1, not <ip-1>,\n"
                        "6.11.11-valve17-1-<host-1>-6112, <user-1>");
}

/* A line of addresses without end costs no stack. */
static void test_long_chain(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    _cleanup_strbuf_ struct strbuf in = { 0 }, out = { 0 };

    assert_int_equal(scrub_new(&s), 0);
    for (unsigned i = 0; i < 200000; i++)
        (void)strbuf_str(&in, "8.8.8.8-");
    assert_int_equal(scrub_text(s, strbuf_view(&in), &out), 0);
    assert_false(span_contains(strbuf_view(&out), "8.8"));
}

static void test_same_value_same_token(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    _cleanup_free_ char *a = NULL, *b = NULL;

    assert_int_equal(scrub_new(&s), 0);
    a = scrub_one(s, "10.0.0.1 aa:bb:cc:dd:ee:01 10.0.0.2");
    b = scrub_one(s, "10.0.0.2 10.0.0.3 10.0.0.1");
    assert_string_equal(a, "<ip-1> <mac-1> <ip-2>");
    assert_string_equal(b, "<ip-2> <ip-3> <ip-1>");
    assert_int_equal(scrub_count(s, SCRUB_IP), 3);
}

/* More values than are remembered: all are hidden still. */
static void test_bounds(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    struct strbuf in = { 0 }, out = { 0 };
    static char name[600];

    assert_int_equal(scrub_new(&s), 0);
    for (unsigned i = 0; i < SCRUB_MAX_VALUES + 100; i++)
        (void)strbuf_printf(&in, "10.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255);
    memset(name, 'n', sizeof(name) - 1);
    (void)strbuf_printf(&in, "/home/%s/x\n", name);
    assert_int_equal(scrub_text(s, strbuf_view(&in), &out), 0);
    assert_false(span_contains(strbuf_view(&out), "10."));
    assert_true(span_contains(strbuf_view(&out), "<ip-0>"));
    assert_true(span_ends(strbuf_view(&out), "/home/<user-0>/x\n"));
    strbuf_clear(&in);
    strbuf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_known),     cmocka_unit_test(test_same_value_same_token),
        cmocka_unit_test(test_bounds),    cmocka_unit_test(test_left_alone_behind_keys),
        cmocka_unit_test(test_learnt),    cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_kept),      cmocka_unit_test(test_long_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
