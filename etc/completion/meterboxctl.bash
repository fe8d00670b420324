# Completion of meterboxctl for bash; installed as bash-completion's own.

_meterboxctl()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local words=() word i
	local actions="service authorize start stop power-off departed credit unlock reserve release clear-fault
		out-of-service"
	local common="--socket --as --json --help --version"

	# What has been typed so far, without options and their values.
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--socket | --as | --interval | --config | --state-dir | --from | --max | --order | --account | --credit | \
			--tariff | --hold | --limit-kwh | --limit-minutes | --limit-amount | --amount | --work-order) ((i++)) ;;
		-*) ;;
		*) words+=("$word") ;;
		esac
	done

	case $previous in
	--socket | --config | --tariff)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		compopt -o filenames
		return
		;;
	--state-dir)
		mapfile -t COMPREPLY < <(compgen -d -- "$current")
		compopt -o filenames
		return
		;;
	--as | --interval | --from | --max | --order | --account | --credit | --hold | --limit-* | --amount | --work-order)
		return
		;;
	esac

	local choices=""
	case ${words[0]-} in
	"") choices="status watch doctor session ledger" ;;
	watch) choices="--interval" ;;
	doctor) choices="--config --state-dir" ;;
	ledger)
		case ${words[1]-} in
		"") choices="verify export" ;;
		*)
			[[ ${words[1]} == export ]] && choices="--from --max"
			if [[ $current != -* ]]; then
				mapfile -t COMPREPLY < <(compgen -f -- "$current")
				compopt -o filenames
				return
			fi
			;;
		esac
		;;
	session)
		case ${words[1]-} in
		"") choices=$actions ;;
		authorize)
			choices="--order --account --credit --tariff --hold --limit-kwh --limit-minutes --limit-amount"
			;;
		start | stop | power-off | departed) choices="--order" ;;
		credit) choices="--amount --order" ;;
		unlock) choices="box --work-order" ;;
		reserve) choices="--account --hold" ;;
		out-of-service) choices="on off" ;;
		esac
		;;
	esac
	[[ $current == -* ]] && choices="$choices $common"
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}

complete -F _meterboxctl meterboxctl
