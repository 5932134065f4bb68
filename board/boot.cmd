# What U-Boot runs on a box: it starts the first slot of the order that has tries left and whose
# bytes match their checksums. scripts/image fills in the addresses, of board/ID/meta, and
# docs/box.md describes the state block and the header of a slot.
#
# Only commands that Debian's U-Boot has on every board, hence no setexpr: what would have to be
# added up was added up when the slot was made.

echo "weir @BOARD@"
${devtype} dev ${devnum}
part start ${devtype} ${devnum} state0 state0_block
part start ${devtype} ${devnum} state1 state1_block
setenv state_names BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT UPDATE UPDATE_PLAYED WHY_A WHY_B
setenv header_names load blocks kernel_address kernel_bytes initrd_address initrd_bytes dtb_address dtb_bytes

# The first copy whose checksum is right counts.
setenv is_read no
setenv is_first no
if ${devtype} read @STATE@ ${state0_block} 1; then
    if env import -c @STATE@ 200 ${state_names}; then setenv is_read yes; setenv is_first yes; fi
fi
if test ${is_read} = no; then
    echo "weir: the first copy of the state block is damaged"
    if ${devtype} read @STATE@ ${state1_block} 1; then
        if env import -c @STATE@ 200 ${state_names}; then setenv is_read yes; fi
    fi
fi
if test -z "${BOOT_ORDER}"; then setenv BOOT_ORDER A B; fi
if test -z "${BOOT_A_LEFT}"; then setenv BOOT_A_LEFT 3; fi
if test -z "${BOOT_B_LEFT}"; then setenv BOOT_B_LEFT 3; fi

# The copy that does not count is written first: a power cut then leaves the old or the new, and
# never what was before the old.
setenv write0 '${devtype} write @STATE@ ${state0_block} 1'
setenv write1 '${devtype} write @STATE@ ${state1_block} 1'
setenv save 'env export -c -s 200 @STATE@ ${state_names}; run write0; run write1'
if test ${is_first} = yes; then
    setenv save 'env export -c -s 200 @STATE@ ${state_names}; run write1; run write0'
fi
setenv give_up 'echo "weir: slot ${slot} is given up: ${why}"; if test ${slot} = A; then setenv BOOT_A_LEFT 0; setenv WHY_A ${why}; else setenv BOOT_B_LEFT 0; setenv WHY_B ${why}; fi; run save'

for slot in ${BOOT_ORDER}; do
    if test ${slot} = A; then setenv left ${BOOT_A_LEFT}; else setenv left ${BOOT_B_LEFT}; fi
    setenv is_tried no
    if test ${left} = 3; then setenv left 2; setenv is_tried yes; else
        if test ${left} = 2; then setenv left 1; setenv is_tried yes; else
            if test ${left} = 1; then setenv left 0; setenv is_tried yes; fi
        fi
    fi
    if test ${is_tried} = yes; then
        if test ${slot} = A; then setenv BOOT_A_LEFT ${left}; else setenv BOOT_B_LEFT ${left}; fi
        run save
        # A checksum is in memory as the board's U-Boot writes it: either way round is right.
        setenv why header
        setenv dtb_bytes
        part start ${devtype} ${devnum} slot${slot} slot_block
        if ${devtype} read @HEADER@ ${slot_block} 8; then
            if env import -c @HEADER@ 1000 ${header_names}; then
                if ${devtype} read ${load} ${slot_block} ${blocks}; then setenv why kernel-crc; fi
            fi
        fi
        if test ${why} = kernel-crc; then
            crc32 ${kernel_address} ${kernel_bytes} @SUM@
            if cmp.l @SUM@ @KERNEL_SUM_BE@ 1; then setenv why initrd-crc; fi
            if cmp.l @SUM@ @KERNEL_SUM_LE@ 1; then setenv why initrd-crc; fi
        fi
        if test ${why} = initrd-crc; then
            crc32 ${initrd_address} ${initrd_bytes} @SUM@
            if cmp.l @SUM@ @INITRD_SUM_BE@ 1; then setenv why dtb-crc; fi
            if cmp.l @SUM@ @INITRD_SUM_LE@ 1; then setenv why dtb-crc; fi
        fi
        setenv tree ${fdt_addr}
        if test -z "${tree}"; then setenv tree ${fdtcontroladdr}; fi
        if test ${why} = dtb-crc; then
            if test -n "${dtb_bytes}"; then
                setenv tree ${dtb_address}
                crc32 ${dtb_address} ${dtb_bytes} @SUM@
                if cmp.l @SUM@ @DTB_SUM_BE@ 1; then setenv why start; fi
                if cmp.l @SUM@ @DTB_SUM_LE@ 1; then setenv why start; fi
            else
                setenv why start
            fi
        fi
        if test ${why} = start; then
            setenv bootargs weir.slot=${slot} gpt panic=1 quiet
            if unzip ${kernel_address} ${kernel_addr_r}; then
                booti ${kernel_addr_r} ${initrd_address}:${initrd_bytes} ${tree}
            fi
        fi
        run give_up
    fi
done

# Neither has a try left: a box that stands still helps nobody.
echo "weir: no slot has tries left; both get three more"
setenv BOOT_A_LEFT 3
setenv BOOT_B_LEFT 3
run save
reset
