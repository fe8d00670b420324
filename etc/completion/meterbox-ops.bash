# Completion of meterbox-ops for bash; installed as bash-completion's own.

_meterbox_ops()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local choices="--db --operator-token-file --command-key --insecure-commands --listen --port-file --cert --key
		--behind-proxy --public-url --currency --sandbox-payments --payment-key-file --command-seconds --max-connections --max-per-address --request-seconds --log-level --help --version"

	case $previous in
	--db | --operator-token-file | --command-key | --port-file | --cert | --key | --payment-key-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		compopt -o filenames
		return
		;;
	--log-level) choices="error warning info debug" ;;
	--listen | --public-url | --currency | --command-seconds | --max-connections | --max-per-address | --request-seconds) return ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}

complete -F _meterbox_ops meterbox-ops
